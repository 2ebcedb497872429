"""Training by several processes under torchrun: each takes its part of every batch, gradients are their mean.

A step of n processes is that of one process that takes the same n parts one after the other (`accumulate`). BatchNorm
sees the parts alone on a CPU and all of them together on GPUs. Every process goes the same way; the first one writes.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import distributed, nn

from evit_nas.errors import InputError

Hold = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """This process among `count`; `local` is its number on its host."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def mean_gradients(self, network: nn.Module) -> None:
        """Set every gradient to its mean over the processes."""
        if self.count == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def mean(self, value: float, device: torch.device) -> float:
        """The mean of `value` over the processes."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        return float(total) / self.count

    def share(self, batch: int, accumulate: int) -> tuple[int, int]:
        """Which part of each batch is this process's (number, count). Raises InputError where the parts differ."""
        if batch % (self.count * accumulate):
            raise InputError(
                f"a batch of {batch} cannot be cut in {accumulate} equal parts for each of {self.count} processes"
            )
        return self.rank, self.count

    def together(self, hold: Hold) -> Hold:
        """`hold` entered by the first process of each host, with the others waiting: if each waited for the machine by
        itself, one that has it would wait for another's gradient, and that one for the machine."""
        if self.count == 1:
            return hold

        @contextmanager
        def held() -> Iterator[None]:
            with hold() if self.local == 0 else nullcontext():
                distributed.barrier()
                yield

        return held

    def joined(self, network: nn.Module, device: torch.device) -> nn.Module:
        """`network` with BatchNorms over all processes where they are on GPUs."""
        if self.count == 1 or device.type != "cuda":
            return network
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted


ALONE = Processes()


def join(device: torch.device) -> Processes:
    """Join the other processes that torchrun started, if it did; each then has a GPU of its own (NCCL), else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        torch.cuda.set_device(local)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(distributed.destroy_process_group)
    return Processes(rank=distributed.get_rank(), count=distributed.get_world_size(), local=local)
