"""The desk: protection, journal and reconciliation under Lumibot strategies."""
