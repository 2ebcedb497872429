"""Time of `evit-nas --help` over that of an empty typer app with the same commands, interleaved.

    python benchmarks/cli_start.py [--json FILE]

Prints both medians and their ratio (target: at most 1.3) and the heavy modules that were imported (target: none).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 40
HEAVY = ("torch", "tensorflow", "optuna", "pandas", "sklearn", "matplotlib", "numpy", "scipy", "onnx", "jinja2")

OURS = "import sys; sys.argv = ['evit-nas', '--help']; from evit_nas.cli.main import main; main()"
EMPTY = """
import sys
import typer
sys.argv = ['evit-nas', '--help']
app = typer.Typer(add_completion=False)
tables = typer.Typer()
def add(owner, name):
    @owner.command(name)
    def command() -> None:
        '''One line of help for the command.'''
for name in ('devices', 'space', 'arch', 'profile', 'predict', 'measure', 'search', 'report', 'export'):
    add(app, name)
for name in ('diff', 'validate', 'merge', 'calibrate'):
    add(tables, name)
app.add_typer(tables, name='tables')
app()
"""
LOADED = f"""
import sys
from evit_nas.cli.main import run
run(['--help'])
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def seconds(program: str) -> float:
    """Wall time of one fresh interpreter that runs `program`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def heavy_modules() -> str:
    """What of HEAVY `--help` has imported, as text."""
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    return done.stderr.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of `evit-nas --help` over that of an empty typer app.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    target = parser.parse_args().json
    for program in (OURS, EMPTY):
        seconds(program)
    pairs = [(seconds(OURS), seconds(EMPTY)) for _ in range(ROUNDS)]
    ours, empty = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"evit-nas --help {ours * 1e3:.0f} ms, empty typer app {empty * 1e3:.0f} ms, ratio {ratio:.2f}")
    print(f"heavy modules imported: {heavy_modules()}")
    if target is not None:
        figures = {"ours_ms": ours * 1e3, "empty_ms": empty * 1e3, "ratio": ratio}
        target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
