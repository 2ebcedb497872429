"""A desk for trials on a fake phone: a small space whose kernels have known costs, and what tables say against them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fake_phones import hidden_us, profile_command, random_costs

from evit_nas.fakephone.cost_model import KINDS, CostModel, cost_model_from
from evit_nas.fakephone.properties import default_settings
from evit_nas.fakephone.testing import RunningPhone
from evit_nas.graph.kernel import GRAPH_KIND
from evit_nas.latency.profiler.plan import QUICK, plan_members
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table
from evit_nas.space.space import load_space

SPACE = """\
schema: evit-nas/space-1
name: phone-trials
task: seg
classes: 7
resolution: [96x96, 128x128]
head_dim: 16
upsample: [bilinear]
stem: {width: [16], activation: [relu6]}
stages:
- {width: [16], depth: [1], expand: [2], kernel: [3], activation: [relu6]}
- {width: [32], depth: [1], expand: [2], kernel: [5], activation: [hswish],
   msa: [false], scales: [[]], heads_ratio: [1.0]}
- {width: [64], depth: [1], expand: [2], kernel: [3], activation: [hswish],
   msa: [true], scales: [[5]], heads_ratio: [1.0]}
- {width: [96], depth: [1], expand: [2], kernel: [3], activation: [hswish],
   msa: [true], scales: [[3]], heads_ratio: [1.0]}
head: {width: [32], depth: [1], stride: [8], inputs: [[4, 3, 2]], block: [mbconv], expand: [2], kernel: [3],
       final_expand: [null], activation: [hswish]}
"""
LEAST_US = 20.0  # of a kernel: whole microseconds are no rounding then
NOISE = 0.08  # of a row: 2 % a run, 1 % a process, and the canary's own


@dataclass(frozen=True)
class Desk:
    """`kernels_us`, `networks_ms`: known costs by signature and by member."""

    folder: Path
    space: Path
    model: CostModel
    kernels_us: Mapping[str, float]
    networks_ms: Mapping[object, float]


def laid_out(folder: Path, seed: int) -> Desk:
    """Costs drawn at random, without heat: what is hot here is a fault."""
    costs = random_costs(seed)
    del costs["throttle"]
    for kind in KINDS:
        cost = costs[kind]
        assert isinstance(cost, dict)
        cost["fixed_us"] += LEAST_US
    model, path = cost_model_from(costs, "random"), folder / "trials.yaml"
    path.write_text(SPACE)
    kernels_us: dict[str, float] = {}
    networks_ms: dict[object, float] = {}
    for member in plan_members(load_space(path), QUICK, 0):
        found = hidden_us(member.arch, member.resolution, model)
        kernels_us.update(found)
        networks_ms[member.arch, member.resolution] = (model.graph_us + sum(us for _, us in found)) / 1e3
    return Desk(folder, path, model, kernels_us, networks_ms)


def profiled(desk: Desk, address: str, tables: Path, limit_s: float) -> tuple[int, str]:
    """`evit-nas profile --quick`: its exit code and the last line of standard error; -9 where it had to be ended."""
    command = profile_command(address, tables, "--quick", "--space", str(desk.space))
    tables.mkdir(exist_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return -9, ""
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def table_paths(tables: Path) -> list[Path]:
    return [path for path in tables.glob("*/*.csv") if path.with_suffix(".json").exists()]


def missing_rows(desk: Desk, tables: Path) -> int:
    """Kernels of the plan that no table there has."""
    measured = {row.signature.key for path in table_paths(tables) for row in load_table(path).rows}
    return len(desk.kernels_us.keys() - measured)


def wrong_rows(desk: Desk, tables: Path) -> list[str]:
    """Rows and networks that their known costs do not explain."""
    found = []
    for path in table_paths(tables):
        rows = [row for row in load_table(path).rows if row.signature.kind != GRAPH_KIND]
        found += [(row.signature.key, row.median_us, desk.kernels_us.get(row.signature.key, 0.0)) for row in rows]
        for network in load_networks(path):
            exact_ms = desk.networks_ms.get((network.arch, network.resolution), 0.0)
            found.append((f"network {network.resolution}", 1e3 * network.latency_ms, 1e3 * exact_ms))
    return [
        f"{name[:80]}: {us:.1f} us instead of {exact:.1f}"
        for name, us, exact in found
        if abs(us - exact) > NOISE * exact + 1.0
    ]


def is_back(phone: RunningPhone) -> bool:
    """Whether the phone's settings are what they were before anybody measured."""
    return phone.phone.settings == default_settings() and not phone.phone.fixed_performance
