"""What training does, measured on this machine. Needs the `lab` extra."""
