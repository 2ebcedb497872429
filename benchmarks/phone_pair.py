"""Two phones at once, profiled by two processes into one folder of tables: does any row land in the wrong table?

    python benchmarks/phone_pair.py [--seed 0] [--json]

The phones are of two chips and of two cost models: what takes a microsecond on the first takes four on the second. So
each row can be told by its own size: `rows_of_the_other` counts those nearer to the other phone's cost than to that of
their own phone (against exact costs, on a logarithmic scale).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from pathlib import Path

from fake_phones import hidden_rows, own_adb, profile_command, random_costs, running_phone

from evit_nas.fakephone.cost_model import KINDS, CostModel, cost_model_from
from evit_nas.latency.table.store import load_table

SPACE = "efficientvit-seg-small"
CHIPS = ("sm8450", "sm8550")
APART = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    fast = random_costs(arguments.seed)
    costs = (fast, {key: slower(value) if key in KINDS else value for key, value in fast.items()})
    with own_adb() as folder:
        tables = folder / "tables"
        tables.mkdir()
        with running_phone(CHIPS[0], costs[0], folder) as one, running_phone(CHIPS[1], costs[1], folder) as two:
            options = ["--quick", "--space", SPACE]
            commands = [profile_command(address, tables, *options) for address in (one, two)]
            running = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
            said = [process.communicate()[0] for process in running]
        codes = [process.returncode for process in running]
        models = [cost_model_from(own, "random") for own in costs]
        paths = [Path(json.loads(text)["table"]) for text in said]
        figures = {
            chip: {"exit_code": code, "table": path.parent.name, **belongings(path, own, other)}
            for chip, code, path, own, other in zip(CHIPS, codes, paths, models, models[::-1], strict=True)
        }
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))


def slower(cost: object) -> dict[str, float]:
    assert isinstance(cost, dict)
    return {name: APART * value for name, value in cost.items()}


def belongings(path: Path, own: CostModel, other: CostModel) -> dict[str, float]:
    """Rows whose costs are known, and how many of them are nearer to the other phone's."""
    mine, its = (hidden_rows(path, model) for model in (own, other))
    rows = [row for row in load_table(path).rows if row.signature.key in mine]
    distances = [abs(math.log(row.median_us / mine[row.signature.key])) for row in rows]
    wrong = [
        distance > abs(math.log(row.median_us / its[row.signature.key]))
        for row, distance in zip(rows, distances, strict=True)
    ]
    return {
        "rows": len(rows),
        "rows_of_the_other": sum(wrong),
        "median_error_percent": round(100 * sorted(distances)[len(distances) // 2], 2),
    }


if __name__ == "__main__":
    main()
