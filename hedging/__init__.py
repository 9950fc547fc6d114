"""Market sentiment to hedge targets: pure calculators over the domain's nouns."""
