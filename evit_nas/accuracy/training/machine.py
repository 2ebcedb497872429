"""What a training runs on."""

from __future__ import annotations

import torch


def prepare(seed: int, threads: int) -> torch.device:
    """Seed torch, set its threads, and choose the accelerator where there is one, else the CPU."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """What the device calls itself: `NVIDIA H100 80GB HBM3`, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
