from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.accuracy.estimator.published import PUBLISHED_SOURCES, PublishedEstimator
from evit_nas.errors import InputError
from evit_nas.graph.blocks import MBConv, Msa, layout
from evit_nas.space.arch import ArchConfig, BlockConfig, MBConvConfig, MsaConfig, StageConfig, named_arch

INPUT = (1024, 2048)


def _bounds(arch: ArchConfig, resolution: tuple[int, int] = INPUT) -> np.ndarray:
    estimate = PublishedEstimator().estimate(arch, resolution)
    return np.array([estimate.low, estimate.value, estimate.high])


def _with_blocks(arch: ArchConfig, change) -> ArchConfig:
    stages = tuple(replace(s, blocks=tuple(change(n, b) for b in s.blocks)) for n, s in enumerate(arch.stages, 1))
    return replace(arch, stages=stages)


def _scaled(arch: ArchConfig, factor: float) -> ArchConfig:
    stages = tuple(replace(s, width=round(s.width * factor)) for s in arch.stages)
    stem = replace(arch.stem, width=round(arch.stem.width * factor))
    return replace(arch, stages=stages, stem=stem, head=replace(arch.head, width=round(arch.head.width * factor)))


def _conv_macs(arch: ArchConfig, resolution: tuple[int, int] = INPUT) -> float:
    """MACs of the 1x1 convolutions of MBConv and attention: nearly all, and enough to compare widths by."""
    total = 0.0
    for block in (placed.block for placed in layout(arch, resolution)):
        pixels = getattr(block, "height", 0) * getattr(block, "width", 0)
        if isinstance(block, MBConv):
            mid = block.cin * block.expand
            total += pixels * mid * (block.cin + (9 + block.cout) / block.stride**2)
        elif isinstance(block, Msa):
            wide = 3 * block.heads * block.head_dim
            branches = 1 + len(block.scales)
            grouped = len(block.scales) * (25 + block.head_dim)
            total += pixels * (block.channels * wide * (1 + branches / 3) + wide * (grouped + 2 * branches * 16))
    return total


@pytest.mark.parametrize("source", PUBLISHED_SOURCES)
def test_every_anchor_lies_inside_its_interval(source) -> None:
    estimator = PublishedEstimator(source)
    for anchor in estimator.anchors:
        estimate = estimator.estimate(named_arch(anchor.network), (anchor.height, anchor.width))
        assert estimate.low <= anchor.value <= estimate.high
        assert estimate.value == pytest.approx(anchor.value, abs=0.4)


@pytest.mark.parametrize(
    ("source", "error"), [("published", 0.37), ("published-ade20k", 1.52), ("published-cls", 0.71)]
)
def test_leave_one_network_out_error_is_the_stated_one(source, error) -> None:
    estimator = PublishedEstimator(source)
    assert estimator.loo_error == pytest.approx(error, abs=0.01)
    assert f"{error:.2f}" in (PublishedEstimator.__doc__ or "")


def test_all_rows_of_a_network_are_left_out_together() -> None:
    estimator = PublishedEstimator()
    assert [len(n.residuals) for n in estimator.left_out] == [2, 2, 2, 2]


@pytest.mark.parametrize("name", ["b0", "b1", "b2", "b3"])
@pytest.mark.parametrize("scales", [(), None])
def test_removing_attention_or_scales_at_equal_macs_never_raises_any_bound(name, scales) -> None:
    arch = named_arch(name)
    target = _conv_macs(arch)
    for stage in (3, 4):
        reduced = _with_blocks(
            arch,
            lambda n, b, stage=stage: (
                replace(b, msa=None if scales is None else MsaConfig(scales=scales)) if n == stage else b
            ),
        )
        factors = np.linspace(1.0, 1.3, 61)
        candidates = [_scaled(reduced, f) for f in factors]
        widened = max((c for c in candidates if _conv_macs(c) <= target * 1.01), key=_conv_macs)
        assert _conv_macs(widened) > 0.9 * target
        assert (_bounds(widened) <= _bounds(arch)).all()


def test_removing_both_costs_what_table_3_says() -> None:
    arch = named_arch("b0")
    bare = _bounds(_with_blocks(arch, lambda n, b: replace(b, msa=None)))
    assert 6.4 <= _bounds(arch)[1] - bare[1] <= 6.4 + 1.0
    flat = _bounds(_with_blocks(arch, lambda n, b: replace(b, msa=b.msa and MsaConfig(scales=()))))
    assert 2.3 <= _bounds(arch)[1] - flat[1] <= 2.3 + 0.5


def test_attention_that_nothing_published_has_earns_nothing() -> None:
    arch = named_arch("b0")
    plain = _bounds(arch)
    assert _bounds(_with_blocks(arch, lambda n, b: replace(b, msa=MsaConfig()))) == pytest.approx(plain)
    more = _with_blocks(arch, lambda n, b: replace(b, msa=b.msa and MsaConfig(scales=(3, 5), heads_ratio=1.5)))
    assert _bounds(more) == pytest.approx(plain)
    fewer = _with_blocks(arch, lambda n, b: replace(b, msa=b.msa and MsaConfig(heads_ratio=0.5)))
    assert (_bounds(fewer) < plain).all()


def test_kernel_and_expand_beyond_the_official_earn_nothing_and_are_listed() -> None:
    arch = named_arch("b1")
    spent = _with_blocks(arch, lambda n, b: replace(b, mbconv=MBConvConfig(expand=6, kernel=7)))
    assert _bounds(spent) == pytest.approx(_bounds(arch))
    departures = PublishedEstimator().estimate(spent, INPUT).departures
    assert any("kernel 7" in words for words in departures)
    assert any("expand 6" in words for words in departures)
    thin = _with_blocks(arch, lambda n, b: replace(b, mbconv=MBConvConfig(expand=2)))
    assert (_bounds(thin) < _bounds(arch)).all()


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 3), min_size=5, max_size=5),
    depths=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    head=st.tuples(st.integers(1, 3), st.integers(0, 2)),
    side=st.integers(8, 34),
    grow=st.integers(0, 11),
)
def test_monotone_in_width_depth_head_and_resolution(widths, depths, head, side, grow) -> None:
    base = (16, 32, 64, 128, 256)
    knobs = [*widths, *depths, *head, side]
    before = _bounds(*_network(base, knobs))
    knobs[grow] += 1
    after = _bounds(*_network(base, knobs))
    assert (after >= before - 1e-9).all()


def _network(base: tuple[int, ...], knobs: list[int]) -> tuple[ArchConfig, tuple[int, int]]:
    widths = [w * k // 2 for w, k in zip(base, knobs[:5], strict=True)]
    stages = tuple(
        StageConfig(width=w, blocks=(BlockConfig(msa=MsaConfig() if n >= 2 else None),) * (d + (n >= 2)))
        for n, (w, d) in enumerate(zip(widths[1:], knobs[5:9], strict=True))
    )
    arch = named_arch("b1")
    head = replace(arch.head, width=32 * knobs[9], depth=knobs[10])
    network = replace(arch, stem=replace(arch.stem, width=widths[0]), stages=stages, head=head)
    return network, (32 * knobs[11], 64 * knobs[11])


def test_interval_widens_away_from_the_anchors() -> None:
    arch = named_arch("b0")
    widths = [np.ptp(_bounds(arch, (side, 2 * side))) for side in (1024, 768, 512, 256)]
    assert widths == sorted(widths)
    wide_stage = replace(arch, stages=(*arch.stages[:3], replace(arch.stages[3], width=512)))
    assert np.ptp(_bounds(wide_stage)) > 2 * np.ptp(_bounds(arch))


def test_a_coarser_head_is_bounded_by_half_the_input() -> None:
    arch = named_arch("b0")
    coarse = replace(arch, head=replace(arch.head, stride=16, inputs=(4, 3)))
    assert _bounds(coarse)[0] == pytest.approx(_bounds(arch, (512, 1024))[0], abs=0.3)  # its head is smaller, too
    assert _bounds(coarse)[1] < _bounds(arch)[1]


def test_a_wider_head_that_expands_less_does_not_earn_what_it_saves() -> None:
    arch = named_arch("b0")
    thin = replace(arch, head=replace(arch.head, width=64, expand=2, final_expand=2))
    assert _bounds(thin)[0] == pytest.approx(_bounds(arch)[0], abs=0.3)  # only its wider input layers count
    assert (_bounds(replace(arch, head=replace(arch.head, width=64))) > _bounds(thin)).all()


def test_departures_name_an_uneven_scaling_and_a_small_input() -> None:
    arch = named_arch("b0")
    assert PublishedEstimator().estimate(replace(arch, upsample="bicubic"), INPUT).departures == ()
    wide_stage = replace(arch, stages=(*arch.stages[:3], replace(arch.stages[3], width=512)))
    words = PublishedEstimator().estimate(wide_stage, (512, 1024)).departures
    assert any("stage4 at b" in w for w in words)
    assert any("512x1024" in w for w in words)


def test_a_network_of_the_other_task_is_refused() -> None:
    with pytest.raises(InputError, match="use published-cls"):
        PublishedEstimator().estimate(named_arch("b0-cls"), (224, 224))
    with pytest.raises(InputError, match="did you mean 'published-cls'"):
        PublishedEstimator("published-clss")  # type: ignore[arg-type]
