"""Which rows to measure on a new device, before any of its times is known: those that say most about whole networks.

A-optimal by greedy choice: each row is the one that lowers the mean variance of the networks' predicted latency the
most, for the seconds that its network costs on the device. Rows come a few to a network, since a network that is on the
device gives several for the price of one; only variances enter, so the whole choice is made at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evit_nas.errors import InputError
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.kernel_ratio import Index, KernelPrior
from evit_nas.latency.predictor.ratio_fit import NOISE


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """Rows to measure in one network: its place among the options, and kernels by their index in the prior."""

    option: int
    kernels: Index


def choose_kernels(
    prior: KernelPrior, options: Sequence[Index], *, count: int, each: int, known: Index, cost_s: Floats
) -> tuple[Pick, ...]:
    """`count` rows (fewer where the options hold no more), at most `each` per option, in the order to measure them.

    `options`: the kernels of each network, repeated as often as they stand in it. `known`: rows measured already.
    `cost_s`: seconds of the device by option. Raises InputError for a count below 1.
    """
    if count < 1:
        raise InputError(f"{count} rows to choose: must be at least 1")
    state = _State(prior, options)
    for kernel in known:
        state.measure(int(kernel))
    taken, left = np.isin(np.arange(len(prior.us)), known), count
    unused = list(range(len(options)))
    picks: list[Pick] = []
    while left > 0 and unused:
        gain = np.where(taken, -1.0, state.gain())
        best = max(unused, key=lambda number: gain[options[number]].max() / cost_s[number])
        unused.remove(best)
        inside, chosen = options[best], list[int]()
        while len(chosen) < min(each, left) and not taken[inside].all():
            kernel = int(inside[np.where(taken, -1.0, state.gain())[inside].argmax()])
            taken[kernel] = True
            chosen.append(kernel)
            state.measure(kernel)
        if chosen:
            picks.append(Pick(option=best, kernels=np.array(chosen, dtype=np.intp)))
            left -= len(chosen)
    return tuple(picks)


class _State:
    """Variances given the rows so far: of each kernel (K,), and between networks and kernels (M, K).

    The covariance of all kernels is never built: a row needs one column of it, less what earlier rows have explained.
    """

    def __init__(self, prior: KernelPrior, options: Sequence[Index]) -> None:
        self._prior, self._every = prior, np.arange(len(prior.us))
        self._explained: list[Floats] = []
        self._own = prior.variance()
        self._cross = np.stack([self._of_network(option) for option in options])

    def gain(self) -> Floats:
        """How much a row of each kernel lowers the summed variance of the networks, shape (K,)."""
        return np.asarray((self._cross**2).sum(axis=0) / (np.maximum(self._own, 0.0) + NOISE**2))

    def measure(self, kernel: int) -> None:
        column = self._prior.covariance(self._every, np.array([kernel]))[:, 0]
        for explained in self._explained:
            column = column - explained * explained[kernel]
        scale = column[kernel] + NOISE**2
        self._cross = self._cross - np.outer(self._cross[:, kernel], column) / scale
        self._own = self._own - column**2 / scale
        self._explained.append(column / np.sqrt(scale))

    def _of_network(self, option: Index) -> Floats:
        kernels, times = np.unique(option, return_counts=True)
        time = self._prior.us[kernels] * times
        return np.asarray(time / time.sum() @ self._prior.covariance(kernels, self._every))
