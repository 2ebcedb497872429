"""The official networks to compare a run with: as published, and as the run's own estimators see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evit_nas.accuracy.estimator.anchors import read_anchors
from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.graph.cost import arch_macs
from evit_nas.graph.lowering import Lowering
from evit_nas.report.run_data import Reference
from evit_nas.space.arch import Resolution, named_arch, resolution_text
from evit_nas.space.space import SearchSpace
from evit_nas.workflows.latency import DeviceModel, kernels_of


def published(source: str, model: DeviceModel) -> Iterator[Reference]:
    """Published accuracies of `source`, each with its published latency where the device is the one it was timed on."""
    times = _published_times(model)
    for anchor in read_anchors(source):
        size = (anchor.height, anchor.width)
        name = resolution_text(size)
        yield Reference(
            kind="published",
            name=anchor.network,
            resolution=name,
            macs=arch_macs(named_arch(anchor.network), size),
            value=anchor.value,
            latency_ms=times.get(f"{anchor.network} {name}"),
        )


def estimated(
    source: str, estimator: AccuracyEstimator, space: SearchSpace, model: DeviceModel, lowering: Lowering
) -> Iterator[Reference]:
    """The space's official members as this run sees them, at their first published input or else the largest."""
    sizes = _published_sizes(source, model)
    for name in space.members:
        arch = space.member(name)
        size = sizes.get(name, max(space.resolutions))
        yield Reference(
            kind="estimated",
            name=name,
            resolution=resolution_text(size),
            macs=arch_macs(arch, size),
            value=estimator.estimate(arch, size).value,
            latency_ms=model.predictor.predict(kernels_of(arch, size, lowering)).latency_ms,
        )


def _published_sizes(source: str, model: DeviceModel) -> dict[str, Resolution]:
    """Input of each network's published accuracy; where there are several, of the one that has a latency too."""
    if not source.startswith("published"):
        return {}
    anchors = [(anchor.network, (anchor.height, anchor.width)) for anchor in read_anchors(source)]
    timed = _published_times(model)
    return dict(sorted(anchors, key=lambda item: f"{item[0]} {resolution_text(item[1])}" in timed))


def _published_times(model: DeviceModel) -> Mapping[str, float]:
    calibration = model.table.provenance.calibration or {}
    times = calibration.get("calibrated_from", {})
    return {str(name): float(ms) for name, ms in times.items()} if isinstance(times, dict) else {}  # type: ignore[arg-type]
