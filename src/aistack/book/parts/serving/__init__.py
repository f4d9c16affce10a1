"""Part 5: how models are deployed and served."""
