"""The accuracy wing: data, training, evaluation and estimators. It never sees the latency wing."""
