"""Layer 4, training: arranging operations in time so that a model learns."""
