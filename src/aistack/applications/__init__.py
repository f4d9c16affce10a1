"""Layer 6, applications: turning tokens into answers that people use."""
