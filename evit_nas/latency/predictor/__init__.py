"""From a table to the latency of any network."""
