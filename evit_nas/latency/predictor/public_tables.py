"""Latency tables of public phones: kernel rows inferred from measured blocks, with how uncertain each is.

A block's time says what its kernels cost together. The split among them comes from a fit over all blocks with a ridge
towards plain costs; how far it can be trusted from refits on resampled shape families. A row's interval holds both that
and what the fit leaves over, so a table row here is wider than one that was timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import axes
from evit_nas.latency.predictor.public_kernels import public_kernels
from evit_nas.latency.predictor.public_model import TermCosts, fit_terms
from evit_nas.latency.predictor.public_rows import PublicRows
from evit_nas.latency.predictor.public_terms import Terms, kernel_terms, summed_terms
from evit_nas.latency.predictor.transfer_spread import inferred_row
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import Table

KINDS = ("firstconv", "conv", "transds", "mbpool")  # blocks whose kernels EfficientViT shares
RIDGE = 0.3  # stronger than for blocks: kernels that always run together are to keep plausible shares
REFITS = 12
MODEL_SD = 0.05  # relative: what the terms of a kernel leave over, seen on whole blocks
LEAST_US = 0.02
ROWS_A_VARIANT = 24
RUNS = 50
MEASURED_AT = "2023-02-25T00:00:00+00:00"
SOURCE = (
    "github.com/microsoft/nn-Meter (MIT License), branch dev/hybrid-transformer at 9c31e19 (2023-02-25), "
    "look-up tables of the ElasticViT search; kernel rows inferred from the blocks"
)
NOTES = (
    "kernel times are inferred from measured blocks: sums are measured, the split among kernels is estimated",
    "the core is not recorded by the source: a medium core is an inference (the profiler's default mask is cores 4-6); "
    "one thread is the profiler's default",
    "the blocks have hard-swish, kernels of 3 and 5 and inputs up to 256x256: all else is extrapolated",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicPhone:
    """A device identifier, the chip's name and the column of its blocks."""

    device: str
    soc: str
    column: str


PHONES = (
    PublicPhone(device="sd821", soc="Snapdragon 821 (Pixel)", column="pixel1_ms"),
    PublicPhone(device="sd855", soc="Snapdragon 855 (Pixel 4)", column="pixel4_ms"),
    PublicPhone(device="tensor", soc="Google Tensor (Pixel 6)", column="pixel6_ms"),
    PublicPhone(device="sd888", soc="Snapdragon 888 (Xiaomi 11)", column="xiaomi11_ms"),
)


def public_table(phone: PublicPhone, rows: PublicRows) -> Table:
    """The table of `phone` from its blocks, not yet written."""
    chosen = rows.take([i for i, block in enumerate(rows.blocks) if block.block in KINDS])
    terms = [summed_terms(public_kernels(block)) for block in chosen.blocks]
    costs = fit_terms(terms, 1e3 * chosen.ms, ridge=RIDGE)
    refits = _refits(chosen, terms)
    signatures = representative(kernel for block in chosen.blocks for kernel in public_kernels(block))
    measured = [_row(signature, costs, refits) for signature in signatures]
    conditions = Conditions(device=phone.device, runtime="tflite", core="med")
    provenance = TableProvenance(
        conditions=conditions, soc=phone.soc, created_at=MEASURED_AT, updated_at=MEASURED_AT, source=SOURCE, notes=NOTES
    )
    return Table(provenance=provenance, rows=tuple(row for row in measured if row is not None))


def representative(kernels: Iterable[KernelSignature]) -> list[KernelSignature]:
    """At most ROWS_A_VARIANT kernels of each family and variant: evenly spaced by size, the extremes always."""
    groups: dict[str, dict[str, KernelSignature]] = {}
    for signature in kernels:
        kernel = axes(signature)
        groups.setdefault(f"{kernel.family} {kernel.variant}", {})[signature.key] = signature
    found: list[KernelSignature] = []
    for members in groups.values():
        ordered = sorted(members.values(), key=lambda s: (sum(v for _, v in sorted(kernel_terms(s).items())), s.key))
        places = np.linspace(0, len(ordered) - 1, min(len(ordered), ROWS_A_VARIANT)).round().astype(int)
        found += [ordered[i] for i in dict.fromkeys(places.tolist())] + _extremes(ordered)
    return list({signature.key: signature for signature in found}.values())


def _extremes(members: Sequence[KernelSignature]) -> list[KernelSignature]:
    """The kernels with the least and the largest value on every axis: the rows' ranges are the blocks' ranges."""
    names = [name for name, _ in axes(members[0]).values]
    ends = []
    for place in range(len(names)):
        values = [axes(signature).values[place][1] for signature in members]
        ends += [members[int(np.argmin(values))], members[int(np.argmax(values))]]
    return ends


def _refits(rows: PublicRows, terms: Sequence[Terms]) -> list[TermCosts]:
    """Fits on resampled shape families."""
    families: dict[str, list[int]] = {}
    for i, block in enumerate(rows.blocks):
        families.setdefault(block.family, []).append(i)
    names, rng = sorted(families), np.random.default_rng(0)
    fits = []
    for _ in range(REFITS):
        drawn = rng.choice(len(names), len(names))
        index = [i for place in drawn for i in families[names[place]]]
        ridge = RIDGE * float(np.exp(rng.uniform(-1, 1)))
        fits.append(fit_terms([terms[i] for i in index], 1e3 * rows.ms[index], ridge=ridge))
    return fits


def _row(signature: KernelSignature, costs: TermCosts, refits: Sequence[TermCosts]) -> Measurement | None:
    """The row of a kernel, None where the blocks leave nothing for it (its time is in its neighbours')."""
    terms = kernel_terms(signature)
    us = costs.of(terms)
    if us < LEAST_US:
        return None
    again: Floats = np.array([max(fit.of(terms), LEAST_US) for fit in refits])
    sd = float(np.hypot(np.log(again / us).std(), MODEL_SD))
    return inferred_row(signature, us, sd, timings=RUNS, moment=MEASURED_AT, provenance="measured (public)")
