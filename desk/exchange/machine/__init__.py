"""The matching machine: books and the rules that change them. Deterministic, without input, output or a clock of its own."""
