"""A new phone from a few rows: what another phone measured, corrected by the rows of the new one.

The log ratio of the two phones is a Gaussian process: a constant, the shares of operator groups, size, shape, what is
peculiar to the source phone (its measurement over its own kernel model: such ridges do not carry over), and how further
known phones differ from it. Its prior was set with SD855 and Tensor to SD888 in view; other pairs are the blind check.
Rows to measure are chosen one by one, each the one that lowers the mean variance over all blocks the most (A-optimal),
which needs no time of the new phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import axes, facts
from evit_nas.latency.predictor.kinds import DEPTHWISE_KIND
from evit_nas.latency.predictor.public_kernels import public_kernels
from evit_nas.latency.predictor.public_model import fit_terms
from evit_nas.latency.predictor.public_residual import SCALES, features
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows
from evit_nas.latency.predictor.public_terms import summed_terms

# standard deviations, log time; OTHERS of a further known phone's own log ratio
CONSTANT, SHARES, SIZE, SHAPE, PECULIAR, OTHERS, NOISE = 1.0, 0.25, 0.05, 0.05, 0.7, 0.4, 0.015
STRETCH = 8.0  # scales of the ratio over those of one phone's residual: ratios vary slowly with shape
CANDIDATES, REFERENCES = 600, 400
GROUP_US = {"pointwise": 0.05, "depthwise 3x3": 0.12, "depthwise 5x5": 0.12, "passes": 0.4, "small": 0.05}
GROUPS = tuple(GROUP_US)
MIN_CONFORMAL = 20
OWN_WORTH = 5  # left-out errors that the stated standard deviations count as much as
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Source:
    """The blocks of a measured phone as the transfer sees them: log milliseconds and inputs of the ratio, (N, ...)."""

    blocks: tuple[PublicBlock, ...]
    log_ms: Floats
    shares: Floats  # centred, last column log size
    shapes: Floats
    peculiar: Floats
    others: Floats  # log ratios of further known phones to this one, centred, a column a phone (none: no column)

    def covariance(self, left: Index, right: Index) -> Floats:
        """Prior covariance of the log ratio between two sets of blocks."""
        a, b = self.shares[left], self.shares[right]
        total = CONSTANT**2 + SHARES**2 * a[:, :-1] @ b[:, :-1].T + SIZE**2 * np.outer(a[:, -1], b[:, -1])
        total = total + PECULIAR**2 * np.outer(self.peculiar[left], self.peculiar[right])
        total = total + OTHERS**2 * self.others[left] @ self.others[right].T
        squared = (self.shapes[left] ** 2).sum(1)[:, None] + (self.shapes[right] ** 2).sum(1)[None]
        distance = np.sqrt(5 * np.maximum(squared - 2 * self.shapes[left] @ self.shapes[right].T, 0.0))
        return np.asarray(total + SHAPE**2 * (1 + distance + distance**2 / 3) * np.exp(-distance))


@dataclass(frozen=True)
class Transfer:
    """The new phone: predicted milliseconds of every block of the source and their 90 % interval, each shape (N,)."""

    ms: Floats
    low_ms: Floats
    high_ms: Floats


def read_source(rows: PublicRows, others: Sequence[PublicRows] = ()) -> Source:
    """`rows` of the measured phone, prepared: its kernel model is fitted for what is peculiar to it.

    `others`: the same blocks on further known phones; how those differ from this one hints at how the new one does.
    Raises InputError where their blocks are others.
    """
    if any(other.blocks != rows.blocks for other in others):
        raise InputError("transfer: the known phones must have the same blocks in the same order")
    ratios = np.array([np.log(other.ms / rows.ms) for other in others]).reshape(len(others), len(rows)).T
    shares = np.array([_shares(block) for block in rows.blocks])
    shapes = features(rows.blocks) / (np.array(SCALES) * STRETCH)
    return Source(
        rows.blocks,
        np.log(rows.ms),
        shares - shares.mean(axis=0),
        shapes,
        _peculiar(rows),
        ratios - ratios.mean(axis=0),
    )


def choose_rows(source: Source, count: int, *, pool: Index | None = None, seed: int = 0) -> Index:
    """Indices of the `count` blocks to measure on the new phone. Raises InputError where there are fewer.

    `pool`: the blocks to choose among (all by default). Candidates and reference blocks are drawn with `seed`.
    """
    among = np.arange(len(source.blocks)) if pool is None else pool
    if not 1 <= count <= min(CANDIDATES, len(among)):
        raise InputError(f"{count} rows to choose: must be 1 to {min(CANDIDATES, len(among))}")
    rng = np.random.default_rng(seed)
    candidates = rng.permutation(among)[:CANDIDATES]
    cross = source.covariance(candidates, rng.permutation(among)[:REFERENCES])
    own = source.covariance(candidates, candidates)
    chosen: list[int] = []
    for _ in range(count):
        gain = (cross**2).sum(axis=1) / (np.diag(own) + NOISE**2)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        scale = own[best, best] + NOISE**2
        cross = cross - np.outer(own[:, best], cross[best]) / scale
        own = own - np.outer(own[:, best], own[best]) / scale
    return np.asarray(candidates[chosen], dtype=np.intp)


def transfer(source: Source, measured: Index, ms: Floats) -> Transfer:
    """The whole table of the new phone from `ms` of the blocks `measured` on it. Raises InputError without any row.

    The interval is the process's own, as wide as the leave-one-out errors of the measured rows ask for.
    """
    if len(measured) == 0 or len(measured) != len(ms) or not (np.isfinite(ms).all() and (ms > 0).all()):
        raise InputError(
            f"transfer: {len(measured)} blocks and {len(ms)} times; one positive time a block, at least one"
        )
    ratio = np.log(ms) - source.log_ms[measured]
    inverse = np.linalg.inv(source.covariance(measured, measured) + NOISE**2 * np.eye(len(measured)))
    centre = float(ratio.mean())
    weights = inverse @ (ratio - centre)
    every = np.arange(len(source.blocks))
    cross = source.covariance(every, measured)
    variance = _prior_variance(source) - np.einsum("ij,jk,ik->i", cross, inverse, cross, optimize=True)
    sd = np.sqrt(np.maximum(variance, 0.0) + NOISE**2)
    mean = source.log_ms + centre + cross @ weights
    half = left_out_width(np.abs(weights) / np.sqrt(np.diag(inverse))) * sd
    return Transfer(np.exp(mean), np.exp(mean - half), np.exp(mean + half))


def transferred_rows(source: Source, measured: Index, ms: Floats) -> PublicRows:
    """The new phone's rows: measured ones as measured, the others as predicted."""
    table = transfer(source, measured, ms).ms.copy()
    table[measured] = ms
    return PublicRows(source.blocks, table)


def left_out_width(scores: Floats) -> float:
    """How many standard deviations hold 90 %, from N left-out errors in standard deviations.

    From MIN_CONFORMAL on their own quantile (conformal); fewer tell no more than a common scale, by Student's t.
    """
    from scipy.special import stdtrit

    if len(scores) >= MIN_CONFORMAL:
        rank = min(len(scores), int(np.ceil(0.9 * (len(scores) + 1))))
        return float(np.sort(scores)[rank - 1])
    freedom = OWN_WORTH + len(scores)
    return float(stdtrit(freedom, 0.95) * np.sqrt((OWN_WORTH + (scores**2).sum()) / freedom))


def _prior_variance(source: Source) -> Floats:
    shares = source.shares
    linear = SHARES**2 * (shares[:, :-1] ** 2).sum(axis=1) + SIZE**2 * shares[:, -1] ** 2
    linear = linear + OTHERS**2 * (source.others**2).sum(axis=1)
    return np.asarray(CONSTANT**2 + linear + PECULIAR**2 * source.peculiar**2 + SHAPE**2)


def _shares(block: PublicBlock) -> list[float]:
    """Shares of rough time by operator group, and the log of their sum."""
    times = dict.fromkeys(GROUPS, 0.0)
    for signature in public_kernels(block):
        fact, kernel = facts(signature), axes(signature)
        if signature.kind == DEPTHWISE_KIND:
            group, amount = "depthwise 3x3" if kernel.get("taps") < 10 else "depthwise 5x5", fact.macs
        elif fact.macs:
            group, amount = "pointwise" if kernel.get("pixels", 2.0) > 1 else "small", fact.macs
        else:
            group, amount = "passes", fact.elements
        times[group] += amount / 1e6 * GROUP_US[group]
        times["small"] += 1e-3
    total = sum(times.values())
    return [*(value / total for value in times.values()), float(np.log(total))]


def _peculiar(rows: PublicRows) -> Floats:
    """Log of measured over the phone's own kernel model, fitted by kind of block, shape (N,)."""
    terms = [summed_terms(public_kernels(block)) for block in rows.blocks]
    pooled = fit_terms(terms, 1e3 * rows.ms)
    found = np.zeros(len(rows))
    for kind in dict.fromkeys(block.block for block in rows.blocks):
        index = [i for i, block in enumerate(rows.blocks) if block.block == kind]
        costs = fit_terms([terms[i] for i in index], 1e3 * rows.ms[index], prior=pooled)
        found[index] = [np.log(1e3 * rows.ms[i] / costs.of(terms[i])) for i in index]
    return found
