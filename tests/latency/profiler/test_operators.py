"""Operators of other networks: what is measured is what a file would contain."""

from __future__ import annotations

from collections import Counter

import pytest

from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelSignature
from evit_nas.graph.kernel_model import kernel_model
from evit_nas.latency.predictor.features import kernel_input
from evit_nas.latency.predictor.regression import MIN_FAMILY_ROWS
from evit_nas.latency.profiler.operators import operator_signatures


@pytest.mark.parametrize("signature", operator_signatures(), ids=lambda signature: signature.key)
def test_a_model_of_it_runs_that_kernel_in_the_delegate(signature: KernelSignature) -> None:
    (kernel,) = [k for k in fuse(kernel_model(signature)).kernels if k.signature.kind == signature.kind]
    assert kernel.signature == signature
    assert kernel.partition >= 0


def test_every_family_has_rows_enough_for_a_regression() -> None:
    families = Counter(kernel_input(signature).family for signature in operator_signatures())
    assert min(families.values()) >= MIN_FAMILY_ROWS


def test_each_stands_once() -> None:
    keys = [signature.key for signature in operator_signatures()]
    assert len(keys) == len(set(keys)) < 200
