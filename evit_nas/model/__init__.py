"""ArchConfig to torch, and weights files."""
