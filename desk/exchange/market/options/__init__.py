"""The options market: which contracts are listed, and where their prices go."""
