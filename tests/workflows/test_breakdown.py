"""Where the time goes, three ways, and what no table covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evit_nas
from evit_nas.errors import MissingCostError
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.tflite.writer import write


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution and an operator that no predictor knows."""
    weights = np.ones((32, 3, 3, 16), np.float32)
    tensors = [
        Tensor("x", (1, 64, 64, 16)),
        Tensor("w", weights.shape, data=weights),
        Tensor("b", (32,), data=np.zeros(32, np.float32)),
        Tensor("y", (1, 64, 64, 32)),
        Tensor("axis", (), "int32", np.array(1, np.int32)),
        Tensor("z", (1, 64, 64, 32)),
    ]
    same = (("dilation_h_factor", 1), ("dilation_w_factor", 1), ("fused_activation", "NONE"), ("padding", "SAME"))
    ops = (
        Op("CONV_2D", ("x", "w", "b"), ("y",), (*same, ("stride_h", 1), ("stride_w", 1))),
        Op("CUMSUM", ("y", "axis"), ("z",), (("exclusive", False), ("reverse", False))),
    )
    path = tmp_path_factory.mktemp("foreign") / "cumsum.tflite"
    path.write_bytes(write(OpGraph({tensor.name: tensor for tensor in tensors}, ops, ("x",), ("z",))))
    return path


def test_all_breakdowns_sum_to_the_prediction() -> None:
    result = evit_nas.predict("b1", resolution=(448, 896), breakdown=True)
    for parts in (result.breakdown, result.breakdown_kinds, result.breakdown_kernels):
        assert parts is not None
        assert sum(part.latency_ms for part in parts) == pytest.approx(result.latency_ms, rel=1e-6)
        assert sum(part.share for part in parts) == pytest.approx(1)


def test_stages_stand_in_their_order_with_the_head_together() -> None:
    result = evit_nas.predict("b1", resolution=(448, 896), breakdown=True)
    assert result.breakdown is not None
    stages = list(dict.fromkeys(part.stage for part in result.breakdown))
    assert stages == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    runs = [
        part.stage for i, part in enumerate(result.breakdown) if not i or result.breakdown[i - 1].stage != part.stage
    ]
    assert runs == stages
    assert len({part.block for part in result.breakdown}) == len(result.breakdown)


def test_an_unknown_operator_is_named_with_its_shares(foreign: Path) -> None:
    result = evit_nas.predict(foreign)
    gap = next(gap for gap in result.uncovered if gap.kind == "CUMSUM")
    assert (gap.count, gap.known, gap.macs_share) == (1, False, 0.0)
    assert 0 < gap.bytes_share < 1
    assert gap.time_share > 0
    assert result.coverage.extrapolated >= gap.time_share * 0.99
    assert result.high_ms > 1.5 * result.latency_ms
    assert any("CUMSUM" in note and "no predictor knows" in note for note in result.notes)
    assert result.partitions == 1


def test_strict_names_the_operators(foreign: Path) -> None:
    with pytest.raises(MissingCostError, match="1 x CUMSUM") as caught:
        evit_nas.predict(foreign, strict=True)
    assert "\n" not in str(caught.value)


def test_figures_are_written(foreign: Path, tmp_path: Path) -> None:
    result = evit_nas.predict("b0", resolution=(256, 512), figure=tmp_path)
    assert result.figures is not None
    names = {path.name for path in result.figures}
    assert {"b0_stages.png", "b0_kinds.svg", "b0_roofline.png"} <= names
    assert all(path.stat().st_size > 5000 for path in result.figures)
