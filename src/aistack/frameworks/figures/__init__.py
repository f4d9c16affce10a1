"""What frameworks does, drawn: pure functions of results that return a `Figure`."""
