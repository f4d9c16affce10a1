"""Layer 2, infrastructure: moving bytes between machines, storing them, surviving failures, paying for power."""
