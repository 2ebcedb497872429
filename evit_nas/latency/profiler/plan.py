"""Which members of a space to measure: whole networks, so that every kernel is timed where it really runs.

A kernel's time depends on what ran before it (what the cache holds, where its tensors lie), so kernels are not timed
alone but inside members of the space. Members are spread evenly over the logarithm of MACs; any prefix of the plan is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, layout
from evit_nas.graph.cost import arch_macs
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.measurement import Measurement
from evit_nas.latency.profiler.devices.base import DeviceFacts
from evit_nas.space.dimension import Candidate, Dimension
from evit_nas.space.space import SearchSpace

Rows = NDArray[np.int32]
FEW_OPTIONS = 60  # members among which few rows are chosen
FEW_SEED = 7000  # another draw than that of the whole plan
FEW_MAX_MACS = 60e9  # what most members of the default space have at most

STRATA = 10
SPREAD = 0.3  # how far a member's dimensions stray from its size, as a share of a dimension's range
BATCH = 256
MAX_BATCHES = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How much to measure: networks up to `max_macs`, a few from there to `large_macs`, and for how long.

    Each network is timed for `round_seconds`, at least `min_runs` runs, in a session without profiling, and in sessions
    with it: at least the first number of `processes`, at most the second. Kernels that take less than `short_us` are
    timed in many copies.
    """

    networks: int
    max_macs: float
    large_networks: int
    large_macs: float
    round_seconds: float
    min_runs: int
    limit_seconds: float
    processes: tuple[int, int] = (1, 1)
    short_us: float = 0.0

    def runs(self, macs: int) -> int:
        """Least number of runs of a network: two are enough for one that takes most of a second."""
        return self.min_runs if macs < SLOW_MACS else min(self.min_runs, 2)


SLOW_MACS = 5e9
QUICK = Effort(
    networks=60,
    max_macs=5e9,
    large_networks=0,
    large_macs=5e9,
    round_seconds=0.1,
    min_runs=3,
    limit_seconds=50,
)
FULL = Effort(
    networks=280,
    max_macs=20e9,
    large_networks=5,
    large_macs=100e9,
    round_seconds=0.15,
    min_runs=3,
    limit_seconds=600,
)


def plan_members(space: SearchSpace, effort: Effort, seed: int) -> tuple[Candidate, ...]:
    """Members to measure, in order: layers of one member from each stratum of log MACs, then the largest ones."""
    low = float(_macs(space.smallest()))
    regular = stratified_members(space, seed=seed, count=effort.networks, macs=(low, effort.max_macs))
    if not effort.large_networks:
        return regular
    span = (effort.max_macs, effort.large_macs)
    large = stratified_members(space, seed=seed + 1, count=effort.large_networks, macs=span)
    return _interleaved(regular, large)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenRows:
    """Rows to measure in one member; what else runs in it is left alone."""

    member: Candidate
    signatures: frozenset[KernelSignature]


# So many rows to measure on a device, in order, given those that its table holds.
ChooseRows = Callable[[DeviceFacts, Sequence[Measurement], int], Sequence[ChosenRows]]


def few_options(space: SearchSpace, effort: Effort, seed: int) -> tuple[Candidate, ...]:
    """Members among which few rows are chosen, small and large ones alike: each says what others of its size take."""
    most = min(FEW_MAX_MACS, float(_macs(space.largest())))
    return plan_members(space, replace(effort, networks=FEW_OPTIONS, max_macs=most, large_networks=0), seed + FEW_SEED)


def stratified_members(
    space: SearchSpace, *, seed: int, count: int, macs: tuple[float, float]
) -> tuple[Candidate, ...]:
    """`count` distinct members (fewer where the space holds no more), log-uniform in MACs over ten strata of `macs`.

    Deterministic in `seed`. Ordered in layers of one member a stratum, shuffled within a layer.
    """
    random = np.random.default_rng(seed)
    strata: list[list[Candidate]] = [[] for _ in range(STRATA)]
    quota = -(-count // STRATA)
    seen: set[Candidate] = set()
    for _ in range(MAX_BATCHES):
        for member in space.decode(_sized_rows(space, random, BATCH)):
            position = log(_macs(member) / macs[0]) / log(macs[1] / macs[0]) if macs[1] > macs[0] else 0.0
            stratum = int(position * STRATA)
            if 0 <= position < 1 and len(strata[stratum]) < quota and member not in seen:
                strata[stratum].append(member)
                seen.add(member)
        if all(len(stratum) == quota for stratum in strata):
            break
    layers = [[stratum[i] for stratum in strata if i < len(stratum)] for i in range(quota)]
    return tuple(layer[i] for layer in layers for i in random.permutation(len(layer)))[:count]


def member_signatures(member: Candidate) -> tuple[KernelSignature, ...]:
    """Signatures of the kernels of a member in our plain lowering, block by block in execution order."""
    return tuple(
        signature for placed in layout(member.arch, member.resolution) for signature in _block_signatures(placed.block)
    )


@lru_cache(maxsize=20_000)
def _block_signatures(block: Block) -> tuple[KernelSignature, ...]:
    return tuple(kernel.signature for kernel in block_kernels(block))


def _sized_rows(space: SearchSpace, random: np.random.Generator, count: int) -> Rows:
    """Rows whose ordered dimensions follow a common size from 0 to 1 each, and whose other dimensions are uniform.

    Uniform rows nearly all lie at a few times the median MACs; both ends of the space would go unmeasured.
    """
    size = random.uniform(-0.15, 1.15, count)
    columns = [_column(dimension, size, random) for dimension in space.dimensions]
    return space.canonical(np.stack(columns, axis=1).astype(np.int32))


def _column(dimension: Dimension, size: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.int64]:
    count = len(dimension.choices)
    order = _by_value(dimension)
    if order is None:
        return random.integers(0, count, len(size))
    position = np.clip(size + random.normal(0, SPREAD, len(size)), 0, 1 - 1e-9)
    return order[(position * count).astype(np.int64)]


def _by_value(dimension: Dimension) -> NDArray[np.int64] | None:
    """Indices of the choices from small to large; None where they have no size."""
    choices = dimension.choices
    if all(isinstance(choice, int | float | bool) for choice in choices):
        return np.argsort(np.array(choices, dtype=np.float64), kind="stable")
    if dimension.group == "resolution":
        return np.argsort([np.prod(choice) for choice in choices if isinstance(choice, tuple)], kind="stable")
    return None


def _macs(member: Candidate) -> int:
    return arch_macs(member.arch, member.resolution)


def _interleaved(regular: tuple[Candidate, ...], large: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """`large` spread evenly among `regular`."""
    if not regular:
        return large
    places = [(i / len(regular), 0, member) for i, member in enumerate(regular)]
    places += [((i + 0.5) / len(large), 1, member) for i, member in enumerate(large)]
    return tuple(member for _, _, member in sorted(places, key=lambda place: place[:2]))
