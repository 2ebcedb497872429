"""Data sets: reading, checking, augmenting, batches."""
