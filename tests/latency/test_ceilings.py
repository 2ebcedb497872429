"""The ceilings of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.latency import ceilings
from evit_nas.latency.ceilings import measure_ceilings
from evit_nas.latency.profiler import lock


def test_ceilings_are_plausible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loose bounds and a lock of its own: this runs beside other work."""
    monkeypatch.setattr(lock, "lock_path", lambda: tmp_path / "machine.lock")
    monkeypatch.setattr(ceilings, "RUNS", 3)
    found = measure_ceilings()
    assert 0.5 < found.gmac_per_s < 5000
    assert 0.1 < found.memory_gb_per_s < 2000
    assert 0.1 < found.cache_gb_per_s < 20000
