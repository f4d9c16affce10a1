"""Part 1: what hardware does with numbers."""
