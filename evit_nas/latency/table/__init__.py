"""Latency tables: what was measured, kept as CSV with JSON provenance."""
