"""The official protocol, on networks and on model files."""
