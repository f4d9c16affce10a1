"""Part 4: how models are built and trained."""
