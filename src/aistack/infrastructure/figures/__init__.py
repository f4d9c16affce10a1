"""What infrastructure does, drawn: pure functions of results that return a `Figure`."""
