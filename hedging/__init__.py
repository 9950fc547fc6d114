"""The hedge sleeve: how many shares of which inverse fund stand against the book, and when they go. Pure calculators."""
