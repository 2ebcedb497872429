"""The fake phone's benchmark_model: the classic TFLite tool's flags and formats, with times of the cost model."""
