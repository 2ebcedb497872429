"""The only composers of the rooms: one file per verb, the public Python API."""
