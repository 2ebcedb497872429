"""Latency of blocks on a public phone: physical kernel terms inferred from block sums, and a process on the residual.

First a coarse fit (multiply-accumulates, elements, kernels) over all rows, then every term with a ridge towards it,
then the terms again by kind of block towards those: each level rests on the one before where rows are few. All
coefficients are non-negative, fitted on relative error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.public_kernels import public_kernels
from evit_nas.latency.predictor.public_residual import ResidualProcess, conformal, fit_residual
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows
from evit_nas.latency.predictor.public_terms import Terms, summed_terms

LEVEL = 0.9
FOLDS = 5
RIDGE = 0.05  # of a term that explains a row alone
UNSEEN_SD = 0.25  # log standard deviation of a kind of block that no row is of; soon nothing where families show it
COARSE = ("macs", "elements", "kernels")


@dataclass(frozen=True)
class TermCosts:
    """Microseconds per unit of each term. A term without one has never been seen and is an error."""

    us: Mapping[str, float]
    coarse: Mapping[str, float]

    def of(self, terms: Terms) -> float:
        """Microseconds of summed terms; a term never seen costs what the coarse fit says of it."""
        return sum(value * self.us.get(name, coarse_cost(name, self.coarse)) for name, value in terms.items())


@dataclass(frozen=True)
class BlockModel:
    """Predicts blocks of one phone. `kinds`: costs and residual process by kind of block."""

    pooled: TermCosts
    kinds: Mapping[str, tuple[TermCosts, ResidualProcess]]

    def predict(self, blocks: Sequence[PublicBlock]) -> tuple[Floats, Floats, Floats]:
        """Milliseconds and their 90 % interval (low, high), each shape (N,)."""
        mean, half = np.zeros(len(blocks)), np.full(len(blocks), Z90 * UNSEEN_SD)
        for kind in dict.fromkeys(block.block for block in blocks):
            index = np.array([i for i, block in enumerate(blocks) if block.block == kind])
            chosen = [blocks[i] for i in index]
            costs, process = self.kinds.get(kind, (self.pooled, None))
            mean[index] = np.log([costs.of(summed_terms(public_kernels(block))) / 1e3 for block in chosen])
            if process is not None:
                shift, sd = process.predict(chosen)
                mean[index] += shift
                half[index] = np.hypot(process.factors(chosen) * sd, Z90 * UNSEEN_SD / len(process.families) ** 2)
        return np.exp(mean), np.exp(mean - half), np.exp(mean + half)


def fit_blocks(rows: PublicRows) -> BlockModel:
    """The model of the phone that `rows` were measured on. At least one row."""
    pooled = fit_terms([summed_terms(public_kernels(block)) for block in rows.blocks], 1e3 * rows.ms)
    kinds = {}
    for kind in dict.fromkeys(block.block for block in rows.blocks):
        own = rows.take([i for i, block in enumerate(rows.blocks) if block.block == kind])
        costs, process = _fit_kind(own, pooled)
        seen, unseen = (_left_out_scores(own, pooled, process, by_family=by_family) for by_family in (False, True))
        families = frozenset(block.family for block in own.blocks)
        kinds[kind] = costs, conformal(process, seen, unseen, families, LEVEL)
    return BlockModel(pooled, kinds)


def _fit_kind(rows: PublicRows, pooled: TermCosts) -> tuple[TermCosts, ResidualProcess]:
    terms = [summed_terms(public_kernels(block)) for block in rows.blocks]
    costs = fit_terms(terms, 1e3 * rows.ms, prior=pooled)
    residual = np.log([1e3 * ms / costs.of(row) for ms, row in zip(rows.ms, terms, strict=True)])
    return costs, fit_residual(rows.blocks, residual)


def _left_out_scores(rows: PublicRows, pooled: TermCosts, process: ResidualProcess, *, by_family: bool) -> Floats:
    """|log measured / predicted| over its standard deviation, each fold by a fit without it (scales kept), (N,).

    Folds are of rows, or of whole shape families. A process without a fold is read off the inverse of all rows'
    covariance (Rasmussen and Williams, 2006, section 5.4.2), so that no second inverse of that size is needed.
    """
    names = [block.family if by_family else str(i) for i, block in enumerate(rows.blocks)]
    groups, group = np.unique(names, return_inverse=True)
    folds = min(FOLDS, len(groups))
    if folds < 2:
        return np.array([Z90])
    fold = (np.random.default_rng(0).permutation(len(groups)) % folds)[group]
    terms = [summed_terms(public_kernels(block)) for block in rows.blocks]
    scores = np.zeros(len(rows))
    for number in range(folds):
        out, kept = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        costs = fit_terms([terms[i] for i in kept], 1e3 * rows.ms[kept], prior=pooled)
        residual = np.log(rows.ms) - np.log([costs.of(row) / 1e3 for row in terms])
        covariance = np.linalg.inv(process.inverse[np.ix_(out, out)])
        errors = covariance @ (process.inverse[out] @ residual)
        scores[out] = np.abs(errors) / np.sqrt(np.diag(covariance))
    return scores


def fit_terms(terms: Sequence[Terms], us: Floats, *, prior: TermCosts | None = None, ridge: float = RIDGE) -> TermCosts:
    """Non-negative costs of every term, least squares on relative error with a ridge towards `prior` (coarse if None).

    `terms`: summed over each of N blocks or networks, `us`: their microseconds, shape (N,).
    """
    coarse = prior.coarse if prior else _fit_coarse(terms, us)
    names = sorted({name for row in terms for name in row})
    start = np.array([prior.us.get(name, 0.0) if prior else coarse_cost(name, coarse) for name in names])
    design = design_matrix(terms, names)
    costs = ridge_nnls(design / us[:, None], np.ones(len(us)), start, ridge)
    return TermCosts({**(prior.us if prior else {}), **dict(zip(names, costs.tolist(), strict=True))}, coarse)


def design_matrix(terms: Sequence[Terms], names: Sequence[str]) -> Floats:
    """Summed terms as a matrix (N, len(names))."""
    place = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(terms), len(names)))
    for row, values in zip(matrix, terms, strict=True):
        for name, value in values.items():
            row[place[name]] = value
    return matrix


def ridge_nnls(design: Floats, target: Floats, prior: Floats, ridge: float = RIDGE) -> Floats:
    """Non-negative least squares, each column scaled to its root mean square, pulled to `prior` by `ridge`."""
    from scipy.optimize import nnls

    scale = np.sqrt((design**2).mean(axis=0))
    scale[scale == 0] = 1.0
    pull = ridge * np.eye(len(scale))
    stacked = np.vstack([design / scale, pull])
    solution = nnls(stacked, np.concatenate([target, ridge * prior * scale]), maxiter=50 * len(scale) + 1000)[0]
    return np.asarray(solution / scale, dtype=np.float64)


def coarse_cost(name: str, coarse: Mapping[str, float]) -> float:
    """What the coarse fit says of a term: multiply-accumulates, elements and kernels have a cost, the rest none."""
    if name.endswith(" tiled macs") or (name.startswith("depthwise") and name.endswith(" macs")):
        return coarse["macs"]
    return coarse.get(name.rsplit(" ", 1)[-1], 0.0) if name.endswith((" elements", " kernels")) else 0.0


def _fit_coarse(terms: Sequence[Terms], us: Floats) -> dict[str, float]:
    rows = [{key: sum(value * coarse_cost(name, {key: 1.0} | _others(key)) for name, value in row.items())
             for key in COARSE} for row in terms]  # fmt: skip
    costs = ridge_nnls(
        design_matrix(rows, COARSE) / us[:, None], np.ones(len(us)), np.array([0.05, 0.3, 1.0]) * 1e3, 1e-3
    )
    return dict(zip(COARSE, costs.tolist(), strict=True))


def _others(key: str) -> dict[str, float]:
    return {name: 0.0 for name in COARSE if name != key}
