"""What to trade: one Lumibot strategy a file, its parameters and its signal logic together."""
