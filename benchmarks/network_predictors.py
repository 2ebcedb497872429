"""Other people's ways to predict a latency, for predictor_comparison.py; nothing here is part of the tool.

Each takes what was measured and returns milliseconds of networks (N,).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from evit_nas.graph.cost import arch_macs, signature_macs
from evit_nas.graph.kernel import GRAPH_KIND, KernelGraph, KernelSignature
from evit_nas.latency.measurement import Measurement, NetworkMeasurement
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import axes

KINDS = ("CONV_2D 1x1", "CONV_2D kxk", "CONV_2D grouped", "DEPTHWISE_CONV_2D", "BATCH_MATMUL")  # others together
TREES, BOOSTS, SEED = 100, 300, 0


def macs_alone(networks: Sequence[NetworkMeasurement], macs: Floats) -> Floats:
    """A power law."""
    x = np.log([arch_macs(network.arch, network.resolution) for network in networks])
    slope, intercept = np.polyfit(x, np.log([network.latency_ms for network in networks]), 1)
    return np.asarray(np.exp(slope * np.log(macs) + intercept))


def table_alone(rows: Iterable[Measurement], graphs: Sequence[KernelGraph]) -> Floats:
    """A kernel without a row takes the time of the nearest one of its family by shape, scaled by nothing."""
    shapes: dict[str, list[Floats]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    known: dict[str, float] = {}
    for row in _kernels(rows):
        kind, shape = _shape(row.signature)
        shapes[kind].append(shape)
        times[kind].append(row.median_us)
        known[row.signature.key] = row.median_us
    stacked = {kind: np.stack(own) for kind, own in shapes.items()}

    def us(signature: KernelSignature) -> float:
        kind, shape = _shape(signature)
        return times[kind][int(np.square(stacked[kind] - shape).sum(axis=1).argmin())]

    return _summed(graphs, known, us)


def forest(rows: Iterable[Measurement], graphs: Sequence[KernelGraph]) -> Floats:
    """A random forest for each kind of kernel, also where a row exists: nn-Meter keeps no rows."""
    shapes: dict[str, list[Floats]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    for row in _kernels(rows):
        kind, shape = _shape(row.signature)
        shapes[kind].append(shape)
        times[kind].append(row.median_us)
    wanted = {k.signature.key: k.signature for graph in graphs for k in graph.kernels}
    asked: dict[str, list[KernelSignature]] = defaultdict(list)
    for signature in wanted.values():
        asked[_shape(signature)[0]].append(signature)
    known: dict[str, float] = {}
    for kind, signatures in asked.items():
        trees = RandomForestRegressor(TREES, random_state=SEED, n_jobs=1).fit(np.stack(shapes[kind]), times[kind])
        found = trees.predict(np.stack([_shape(signature)[1] for signature in signatures]))
        known |= {signature.key: float(us) for signature, us in zip(signatures, found, strict=True)}
    return _summed(graphs, known, lambda signature: known[signature.key])


def boosting(known: Sequence[KernelGraph], known_ms: Floats, graphs: Sequence[KernelGraph]) -> Floats:
    """Of the logarithm of the latency, on features of whole networks."""
    model = HistGradientBoostingRegressor(max_iter=BOOSTS, learning_rate=0.05, min_samples_leaf=5, random_state=SEED)
    model.fit(np.stack([_network(graph) for graph in known]), np.log(known_ms))
    return np.asarray(np.exp(model.predict(np.stack([_network(graph) for graph in graphs]))))


def _network(graph: KernelGraph) -> Floats:
    """Logarithms of MACs, bytes of maps and weights, and number of kernels, in all and by kind."""
    sums = np.zeros((len(KINDS) + 2, 4))
    for kernel in graph.kernels:
        signature = kernel.signature
        family = axes(signature).family
        place = KINDS.index(family) if family in KINDS else len(KINDS)
        one = (signature_macs(signature), signature.activation_bytes, signature.weight_bytes, 1)
        sums[place] += one
        sums[-1] += one
    return np.asarray(np.log1p(sums).reshape(-1))


def _shape(signature: KernelSignature) -> tuple[str, Floats]:
    """A kernel's family, and the logarithms of its axes."""
    kernel = axes(signature)
    return kernel.family, np.log([value for _, value in kernel.values])


def _kernels(rows: Iterable[Measurement]) -> list[Measurement]:
    return [row for row in rows if row.signature.kind != GRAPH_KIND]


def _summed(
    graphs: Sequence[KernelGraph], known: Mapping[str, float], us: Callable[[KernelSignature], float]
) -> Floats:
    cache = dict(known)
    totals = []
    for graph in graphs:
        total = 0.0
        for kernel in graph.kernels:
            key = kernel.signature.key
            if key not in cache:
                cache[key] = us(kernel.signature)
            total += cache[key]
        totals.append(total / 1e3)
    return np.array(totals)
