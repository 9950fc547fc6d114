"""Market history from wherever it comes, checked, and Lumibot feeds that show none of it too early."""
