"""Model files, each checked against torch."""
