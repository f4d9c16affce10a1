"""What a whole dive shows, drawn."""
