"""What hardware does, measured on this machine. Needs the `lab` extra."""
