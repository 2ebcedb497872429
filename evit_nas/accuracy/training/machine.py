"""What a training runs on."""

from __future__ import annotations

import torch


def prepare(seed: int, threads: int) -> torch.device:
    """Seed torch, set its threads, and choose the accelerator where there is one, else the CPU."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
