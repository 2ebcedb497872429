"""Hardware-aware architecture search and latency modelling for EfficientViT (multi-scale linear attention)."""
