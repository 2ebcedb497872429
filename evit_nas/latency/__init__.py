"""The latency wing: tables, profilers, predictors. It never sees the accuracy wing."""
