"""Layer 5, serving: turning a trained model into answers, at a latency and a price."""
