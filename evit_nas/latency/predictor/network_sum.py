"""Whole networks on a phone from public blocks and a few networks: scaled sums of kernels, and a process on the rest.

The blocks give what each group of kernels costs; one factor a group, near one common scale (the core), is fitted on the
networks. Groups that the blocks say little of (dense k x k, grouped convolutions, unlisted element-wise passes) have
wide priors. From MIN_PROCESS_ROWS networks a Gaussian process on the shares of the groups takes up what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import axes, facts
from evit_nas.latency.predictor.network_rows import NetworkRows
from evit_nas.latency.predictor.public_kernels import Signatures, public_kernels
from evit_nas.latency.predictor.public_model import TermCosts, fit_terms
from evit_nas.latency.predictor.public_rows import PublicRows
from evit_nas.latency.predictor.public_terms import kernel_terms, summed_terms

# Group: factor on what the blocks say, and its standard deviation. Grouped convolutions ran outside the delegate, in a
# scalar loop of about two cycles a multiply-accumulate (15 times the delegate's), on one thread. Groups, factors and
# widths were all set with the 82 public networks of SD855 in view: figures for those are not blind.
GROUPS = {
    "dense kxk": (1.0, 0.4),
    "dense kxk stride 2": (1.0, 0.4),
    "stem": (1.0, 0.5),
    "grouped": (15.0, 3.0),
    "pointwise": (1.05, 0.12),
    "vector": (0.5, 0.4),
    "depthwise": (0.9, 0.2),
    "other": (1.3, 0.8),
    "unlisted passes": (0.4, 0.4),
    "weights": (0.2, 0.3),
    "kernels": (2.0, 1.5),
}
PASS_US, WEIGHT_US, KERNEL_US = 0.4e-3, 0.1e-3, 5.0  # a unit of the last three: an element, a weight byte, a kernel
DENSE_GROUPS = ("dense kxk", "dense kxk stride 2", "stem")
SERIAL_GROUPS = ("grouped", "kernels")  # take as long however many threads there are
SPEEDUP_POWER = 0.87  # n threads do the rest n**0.87 times as fast (1.8 with two, 2.6 with three)
NOISE = 0.04  # relative: what factors alone leave
AMPLITUDE, LENGTH, PROCESS_NOISE = 0.05, 0.2, 0.02
MIN_PROCESS_ROWS = 20
USUAL_HALF_WIDTH = Z90 * 0.1  # in log time, where networks are too few to show their own
ROUNDS = 4


@dataclass(frozen=True)
class NetworkModel:
    """Factors of the groups, the process on the log residual of the training networks, and the interval's width."""

    costs: TermCosts
    factors: Floats
    sums: Floats
    residual: Floats
    half_width: float = USUAL_HALF_WIDTH

    def predict(self, networks: Sequence[Signatures]) -> tuple[Floats, Floats, Floats]:
        """Milliseconds and their 90 % interval (low, high), each shape (N,)."""
        sums = group_sums(networks, self.costs)
        ms = sums @ self.factors
        if len(self.residual) >= MIN_PROCESS_ROWS:
            known, new = _inputs(self.sums, self.factors), _inputs(sums, self.factors)
            gram = _covariance(known, known) + PROCESS_NOISE**2 * np.eye(len(known))
            ms = ms * np.exp(_covariance(new, known) @ np.linalg.solve(gram, self.residual))
        spread = np.exp(self.half_width)
        return ms, ms / spread, ms * spread


def fit_networks(costs: TermCosts, networks: NetworkRows, *, level: float = 0.9, threads: int = 1) -> NetworkModel:
    """The model of the cores that `networks` were timed on, by so many `threads`.

    `costs`: of kernels, from the same phone's blocks.
    """
    model = _fit(costs, group_sums(networks.kernels, costs), networks.ms, threads)
    errors = []
    for i in range(len(networks) if len(networks) > 1 else 0):
        others = np.delete(np.arange(len(networks)), i)
        left = _fit(costs, model.sums[others], networks.ms[others], threads)
        errors.append(abs(float(np.log(left.predict(networks.kernels[i : i + 1])[0][0] / networks.ms[i]))))
    return NetworkModel(costs, model.factors, model.sums, model.residual, _half_width(np.array(errors), level))


def _half_width(errors: Floats, level: float) -> float:
    """The conformal quantile of errors (N,); where they are too few to have one, never less than the usual width."""
    rank = int(np.ceil(level * (len(errors) + 1)))
    if rank <= len(errors):
        return float(np.sort(errors)[rank - 1])
    return max(USUAL_HALF_WIDTH, float(errors.max(initial=0.0)))


def kernel_costs(blocks: PublicRows) -> TermCosts:
    """Costs of kernels inferred from the convolutional blocks: attention and feed-forward say little of them."""
    chosen = [i for i, block in enumerate(blocks.blocks) if not block.block.startswith(("transattn", "transffn"))]
    rows = blocks.take(chosen or range(len(blocks)))
    return fit_terms([summed_terms(public_kernels(block)) for block in rows.blocks], 1e3 * rows.ms)


def group_of(signature: KernelSignature) -> str:
    """The group of GROUPS that a kernel's own time belongs to."""
    kernel = axes(signature)
    match kernel.family:
        case "CONV_2D kxk":
            return (
                "stem" if kernel.get("cin") < 4 else "dense kxk stride 2" if kernel.get("stride") > 2 else "dense kxk"
            )
        case "CONV_2D 1x1":
            return "pointwise" if kernel.get("pixels") > 1 else "vector"
        case _:
            names = {"CONV_2D grouped": "grouped", "FULLY_CONNECTED": "vector", "DEPTHWISE_CONV_2D": "depthwise"}
            return names.get(kernel.family, "other")


def group_sums(networks: Sequence[Signatures], costs: TermCosts) -> Floats:
    """Milliseconds by group at the blocks' costs, shape (N, len(GROUPS))."""
    names = list(GROUPS)
    sums = np.zeros((len(networks), len(names)))
    for row, kernels in zip(sums, networks, strict=True):
        for signature in kernels:
            group = group_of(signature)
            row[names.index(group)] += costs.of(kernel_terms(signature)) / 1e3
            if group not in ("other", "vector"):
                row[names.index("unlisted passes")] += PASS_US * facts(signature).elements / 1e3
            row[names.index("weights")] += WEIGHT_US * signature.weight_bytes / 1e3
            row[names.index("kernels")] += KERNEL_US / 1e3
    return sums


def dense_share(kernels: Signatures) -> float:
    """Share of a network's multiply-accumulates in dense k x k convolutions, of which the blocks hold none."""
    macs = [(facts(signature).macs, group_of(signature) in DENSE_GROUPS) for signature in kernels]
    return sum(count for count, dense in macs if dense) / max(1, sum(count for count, _ in macs))


def _fit(costs: TermCosts, sums: Floats, ms: Floats, threads: int) -> NetworkModel:
    """Factors: non-negative, least squares on relative error with priors, robust (Huber weights)."""
    serial = [threads**SPEEDUP_POWER if name in SERIAL_GROUPS else 1.0 for name in GROUPS]
    prior, sd = (np.array(values) * serial for values in zip(*GROUPS.values(), strict=True))
    design = sums / ms[:, None]
    scale = 1 / float(np.median(design @ prior))
    weight = np.ones(len(ms))
    factors = prior * scale
    for _ in range(ROUNDS):
        factors = _ridge(design, weight / NOISE, prior * scale, sd * scale)
        weight = 1 / np.sqrt(np.maximum(1.0, np.abs(design @ factors - 1) / (2 * NOISE)))
    return NetworkModel(costs, factors, sums, np.log(ms / (sums @ factors)))


def _ridge(design: Floats, weight: Floats, prior: Floats, sd: Floats) -> Floats:
    from scipy.optimize import nnls

    stacked = np.vstack([design * sd * weight[:, None], np.eye(len(sd))])
    solution = nnls(stacked, np.concatenate([weight, prior / sd]), maxiter=5000)[0]
    return np.asarray(solution * sd, dtype=np.float64)


def _inputs(sums: Floats, factors: Floats) -> Floats:
    """Inputs of the process: shares of the groups, and the log of the time (a tenth as important)."""
    times = sums * factors
    total = times.sum(axis=1, keepdims=True)
    return np.hstack([times / total, np.log(total) / 12])


def _covariance(left: Floats, right: Floats) -> Floats:
    """Matern 3/2 of AMPLITUDE and LENGTH, shape (len(left), len(right))."""
    distance = np.sqrt(3 * ((left[:, None] - right[None]) ** 2).sum(axis=-1)) / LENGTH
    return np.asarray(AMPLITUDE**2 * (1 + distance) * np.exp(-distance))
