"""Parts of the comparison with stock Lumibot: rules that need no desk, and a look at what they leave at the broker."""
