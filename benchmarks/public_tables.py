"""Rebuild the shipped tables of the public phones from their measured blocks.

python benchmarks/public_tables.py --blocks CSV --tables latency_tables
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evit_nas.errors import EvitNasError
from evit_nas.latency.predictor.public_rows import read_public_rows
from evit_nas.latency.predictor.public_tables import PHONES, public_table
from evit_nas.latency.table.store import table_path, write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=Path, required=True, metavar="CSV")
    parser.add_argument("--tables", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    try:
        for phone in PHONES:
            table = public_table(phone, read_public_rows(options.blocks, phone.column))
            path = table_path(options.tables, table.conditions)
            print(f"{path}: {len(write_table(table, path).rows)} kernel rows")
    except EvitNasError as error:
        parser.exit(error.exit_code, f"error: {error}\n")


if __name__ == "__main__":
    main()
