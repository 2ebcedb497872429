"""TFLite's and LiteRT's `benchmark_model`: where to find it, how to call it, how to read what it prints."""
