"""Option contracts, prices and spreads: pure calculators over the domain's nouns."""
