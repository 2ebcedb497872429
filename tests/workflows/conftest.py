"""Trainings in tests: on a machine of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evit_nas.latency.profiler import lock


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waiting for what is timed elsewhere; torch's threads as they were."""
    import torch

    monkeypatch.setattr(lock, "lock_path", lambda: tmp_path / "machine.lock")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
