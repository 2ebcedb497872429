"""The bicubic lowering against torch, both axes forms, and the bilinear one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.emit_upsample import MATMUL_ROWS, cubic_matrix, emit_upsample
from evit_nas.space.arch import Upsample
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.writer import write


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (MATMUL_ROWS, 5), (MATMUL_ROWS + 1, 2), (40, 9)])
def test_equals_torch(mode: Upsample, factor: int, size: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((1, *size, 3)).astype(np.float32)
    b = GraphBuilder()
    y = emit_upsample(b, b.input(x.shape), factor, mode)
    with Session(write(b.finish([y]))) as session:
        output = session.run([x])[0]
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2), scale_factor=factor, mode=mode, align_corners=False
    )
    np.testing.assert_allclose(output, expected.permute(0, 2, 3, 1).numpy(), atol=2e-6)


def test_factor_one_is_the_map_itself() -> None:
    b = GraphBuilder()
    x = b.input((1, 4, 4, 3))
    assert emit_upsample(b, x, 1, "bicubic") == x


@pytest.mark.parametrize("factor", [2, 4])
def test_rows_of_the_matrix_sum_to_one(factor: int) -> None:
    np.testing.assert_allclose(cubic_matrix(7, factor).sum(1), 1, rtol=1e-6)
