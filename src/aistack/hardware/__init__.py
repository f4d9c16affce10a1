"""Layer 1, hardware: what an operation costs on a chip, in time and energy."""
