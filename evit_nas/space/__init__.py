"""What may vary, and one choice of it."""
