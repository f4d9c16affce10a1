"""Part 6: what AI is for, what it costs, and where it goes."""
