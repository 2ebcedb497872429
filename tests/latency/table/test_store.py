"""Tables survive kills, and nothing changed in them is read in silence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evit_nas.errors import InputError, MissingCostError, TableError
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.table import rowlog, store
from evit_nas.latency.table.schema import COLUMNS, TableProvenance, to_fields
from evit_nas.latency.table.store import Table, TableWriter, load_table, write_table

CONDITIONS = Conditions(device="host-0123456789ab")
PROVENANCE = TableProvenance(conditions=CONDITIONS, runtime_version="2.3.0", created_at="2026-01-01T00:00:00+00:00")


def row(channels: int, median_us: float = 100.0, provenance: str = "measured") -> Measurement:
    shape = TensorType((1, 32, 64, channels))
    weights = (TensorType((channels, 1, 1, channels), constant=True), TensorType((channels,), constant=True))
    attrs = (("fused_activation", "NONE"), ("padding", "SAME"), ("stride_h", 1), ("stride_w", 1))
    return Measurement(
        signature=KernelSignature("CONV_2D", (shape, *weights), (shape,), attrs),
        timings=20,
        median_us=median_us,
        low_us=round(median_us * 0.99, 4),
        high_us=round(median_us * 1.01, 4),
        repeats=1,
        canary=1.001,
        measured_at="2026-01-01T00:00:00+00:00",
        provenance=provenance,  # type: ignore[arg-type]
    )


def fill(folder: Path, rows: list[Measurement]) -> Path:
    with TableWriter(folder, PROVENANCE) as writer:
        for measurement in rows:
            writer.append(measurement)
        writer.close(updated_at="2026-01-01T01:00:00+00:00")
    return writer.path


def with_fields(path: Path, number: int, **changed: str) -> None:
    """Rewrite row `number` with a checksum that fits, and let the provenance vouch for nothing."""
    lines = path.read_text().splitlines()
    fields = dict(zip(COLUMNS, to_fields(load_table(path).rows[number]), strict=True)) | changed
    lines[number + 1] = rowlog.encode(list(fields.values())).rstrip("\n")
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".json").write_text(PROVENANCE.model_copy(update={"content_hash": "e3b0c44298fc1c14"}).to_json())


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    rows = [row(8, 12.5), row(16, 25.5), row(24, 3.0)]
    table = load_table(fill(tmp_path, rows))
    assert table.rows == tuple(rows)
    assert table.conditions == CONDITIONS
    assert table.lookup(rows[1].signature).median_us == 25.5
    assert table.notes == ()


def test_a_miss_is_an_error_that_names_the_kernel(tmp_path: Path) -> None:
    table = load_table(fill(tmp_path, [row(8)]))
    with pytest.raises(MissingCostError, match=r"CONV_2D.*among 1 kernels"):
        table.lookup(row(16).signature)


def test_hash_depends_on_rows_and_not_on_their_order(tmp_path: Path) -> None:
    one = load_table(fill(tmp_path / "a", [row(8), row(16)]))
    other = load_table(fill(tmp_path / "b", [row(16), row(8)]))
    changed = load_table(fill(tmp_path / "c", [row(8), row(16, 101.0)]))
    assert one.hash == other.hash != changed.hash


def test_a_writer_goes_on_and_never_repeats_a_signature(tmp_path: Path) -> None:
    fill(tmp_path, [row(8)])
    with TableWriter(tmp_path, PROVENANCE) as writer:
        assert row(8).signature in writer
        assert row(16).signature not in writer
        with pytest.raises(TableError, match="measured already"):
            writer.append(row(8))
        writer.append(row(16))
    assert len(load_table(writer.path).rows) == 2  # unsealed rows stand on their own checksums


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    with TableWriter(tmp_path, PROVENANCE), pytest.raises(TableError, match="another process is writing"):
        TableWriter(tmp_path, PROVENANCE)


@pytest.mark.parametrize("kept", [1, 30, -2])
def test_a_cut_last_line_is_dropped_with_a_note_and_repaired(tmp_path: Path, kept: int) -> None:
    fill(tmp_path, [row(8)])
    with TableWriter(tmp_path, PROVENANCE) as writer:
        writer.append(row(16))
    data = writer.path.read_bytes()
    start = data.rstrip(b"\n").rindex(b"\n") + 1
    writer.path.write_bytes(data[: start + kept] if kept > 0 else data[:kept])
    table = load_table(writer.path)
    assert len(table.rows) == 1
    assert "cut last line" in table.notes[0]
    with TableWriter(tmp_path, PROVENANCE) as again:
        again.append(row(16))
    assert load_table(writer.path).notes == ()
    assert len(load_table(writer.path).rows) == 2


def test_a_cut_in_the_finished_part_is_an_error(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8), row(16)])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TableError, match="vouches for 2"):
        load_table(path)


def test_a_removed_row_is_noticed(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8), row(16), row(24)])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:] + lines[1:2]))
    with pytest.raises(TableError, match="reordered"):
        load_table(path)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("median_us", "nan", "not above 0"),
        ("median_us", "-5.0", "not above 0"),
        ("low_us", "0.0", "not above 0"),
        ("high_us", "2e9", "not above 0 and at most"),
        ("high_us", "inf", "not above 0"),
        ("median_us", "12ms", "not a number"),
        ("median_us", "500.0", "outside its interval"),
        ("timings", "0", "whole number"),
        ("repeats", "1.5", "whole number"),
        ("measured_at", "yesterday", "ISO 8601"),
        ("provenance", "mesured", "did you mean 'measured'"),
        ("signature", '{"kind":"CONV_2D"}', "not a kernel signature"),
    ],
)
def test_illegal_values_name_file_row_and_column(tmp_path: Path, column: str, value: str, says: str) -> None:
    path = fill(tmp_path, [row(8), row(16)])
    with_fields(path, 1, **{column: value})
    with pytest.raises(TableError, match=says) as caught:
        load_table(path)
    assert f"{path}:3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_duplicates_that_disagree_are_an_error_and_agreeing_ones_a_note(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8), row(16)])
    with path.open("a") as file:
        file.write(rowlog.encode(to_fields(row(8, 101.0))))
    assert "second row" in load_table(path).notes[0]
    with path.open("a") as file:
        file.write(rowlog.encode(to_fields(row(16, 160.0))))
    with pytest.raises(TableError, match=r"160\.0 us disagrees with 100\.0 us"):
        load_table(path)


def test_a_header_with_another_unit_names_the_column(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8)])
    path.write_text(path.read_text().replace("median_us", "median_ms", 1))
    with pytest.raises(TableError, match="unknown column 'median_ms': did you mean 'median_us'"):
        load_table(path)


def test_another_schema_version_is_named(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8)])
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"schema_version": 2}))
    with pytest.raises(TableError, match="schema version 2"):
        load_table(path)


def test_rows_of_other_conditions_do_not_mix(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8)])
    moved = path.with_name(path.name.replace("t1", "t2"))
    path.rename(moved)
    path.with_suffix(".json").rename(moved.with_suffix(".json"))
    with pytest.raises(TableError, match="other conditions"):
        load_table(moved)


def test_another_runtime_is_not_continued(tmp_path: Path) -> None:
    fill(tmp_path, [row(8)])
    with pytest.raises(TableError, match="runtime_version"):
        TableWriter(tmp_path, PROVENANCE.model_copy(update={"runtime_version": "2.4.0"}))


def test_simulated_rows_never_stand_beside_real_ones(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8), row(16, provenance="simulated")])
    with pytest.raises(TableError, match="simulated"):
        load_table(path)


def test_missing_files_and_provenance_are_named(tmp_path: Path) -> None:
    path = fill(tmp_path, [row(8)])
    with pytest.raises(TableError, match="cannot be read"):
        load_table(tmp_path / "host-0123456789ab" / "none.csv")
    path.with_suffix(".json").unlink()
    with pytest.raises(TableError, match="without provenance"):
        load_table(path)


def test_a_whole_table_is_written_at_once(tmp_path: Path) -> None:
    coefficients = {"ms_per_gmac": 35.25}
    table = Table(provenance=PROVENANCE.model_copy(update={"coefficients": coefficients}), rows=(row(8),))
    path = tmp_path / "host-0123456789ab" / "litert-xnnpack-any-t1-fp32.csv"
    written = write_table(table, path)
    assert load_table(path) == written
    assert load_table(path).provenance.coefficients == coefficients
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".csv", ".json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TableWriter(tmp_path, PROVENANCE) as writer:
        writer.append(row(8))
        before = writer.path.read_bytes()

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TableError, match="No space left on device"):
            writer.append(row(16))
        assert writer.path.read_bytes() == before


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutated_table_crashes_or_is_read_changed(tmp_path: Path, data: st.DataObject) -> None:
    original = [row(8), row(16, 20.0), row(24, 30.0)]
    path = fill(tmp_path / "table", original) if not (tmp_path / "table").exists() else None
    path = path or next((tmp_path / "table").rglob("*.csv"))
    target = data.draw(st.sampled_from([path, path.with_suffix(".json")]))
    before = target.read_bytes()
    target.write_bytes(mutated(before, data))
    table, problem = read_or_problem(path)
    target.write_bytes(before)
    assert "\n" not in problem
    if table is not None:
        assert table.rows == tuple(original)
        assert table.provenance.runtime_version == PROVENANCE.runtime_version


def read_or_problem(path: Path) -> tuple[Table | None, str]:
    try:
        return load_table(path), ""
    except TableError as error:
        return None, str(error)


def mutated(text: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(text)))
    kind = data.draw(st.sampled_from(["cut", "flip", "insert", "delete", "double"]))
    if kind == "cut":
        return text[:at]
    if kind == "flip":
        return text[:at] + bytes([data.draw(st.integers(0, 255))]) + text[at + 1 :]
    if kind == "insert":
        return text[:at] + data.draw(st.binary(min_size=1, max_size=6)) + text[at:]
    until = data.draw(st.integers(at, len(text)))
    return text[:at] + text[until:] if kind == "delete" else text[:until] + text[at:]


WRITE_FOREVER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    from test_store import PROVENANCE, row
    from evit_nas.latency.table.store import TableWriter
    with TableWriter(Path(sys.argv[1]), PROVENANCE) as writer:
        for channels in range(len(writer.rows) + 1, 100_000):
            writer.append(row(channels))
            print(channels, flush=True)
"""


def test_kill_minus_9_loses_no_finished_row(tmp_path: Path) -> None:
    program = textwrap.dedent(WRITE_FOREVER).format(here=str(Path(__file__).parent))
    finished = 0
    for attempt in range(4):
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.02 + 0.013 * attempt)
        os.kill(child.pid, signal.SIGKILL)
        said = child.communicate()[0].split()
        finished = max([finished, *map(int, said[:-1])])
        table = load_table(next(tmp_path.rglob("*.csv")))
        assert len(table.rows) >= finished
        finished = len(table.rows)
    assert finished >= 4


def test_rows_that_are_no_measurement_are_refused_at_the_writer(tmp_path: Path) -> None:
    with TableWriter(tmp_path, PROVENANCE) as writer, pytest.raises(InputError, match="not above 0"):
        writer.append(replace(row(8), median_us=0.0))


def test_a_measured_row_takes_the_place_of_a_transferred_one(tmp_path: Path) -> None:
    path = tmp_path / CONDITIONS.device / f"{CONDITIONS.stem}.csv"
    carried = (row(8, 50.0, "transferred"), row(16, 20.0, "transferred"))
    write_table(Table(provenance=PROVENANCE, rows=(row(24), *carried)), path)
    with TableWriter(tmp_path, PROVENANCE) as writer:
        assert [measured.median_us for measured in writer.rows] == [100.0]
        assert carried[0].signature not in writer
        writer.append(row(8, 12.5))  # a quarter of what was carried over: no contradiction
    found = {one.signature: one for one in load_table(path).rows}
    assert len(found) == 3
    assert found[carried[0].signature].provenance == "measured"
    assert found[carried[0].signature].median_us == 12.5
    assert found[carried[1].signature].provenance == "transferred"


def test_transferred_rows_stand_beside_simulated_ones(tmp_path: Path) -> None:
    path = tmp_path / CONDITIONS.device / f"{CONDITIONS.stem}.csv"
    rows = (row(8, 10.0, "simulated"), row(16, 20.0, "transferred"))
    assert len(load_table(write_table(Table(provenance=PROVENANCE, rows=rows), path).path or path).rows) == 2


def test_a_table_killed_while_it_is_rewritten_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path, [row(8), row(16)])
    calls: list[Path] = []
    real = store.write_beside

    def dies_at_the_last(target: Path, text: str) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(target, text)

    monkeypatch.setattr(store, "write_beside", dies_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        write_table(Table(provenance=PROVENANCE, rows=(row(16), row(24))), path)
    assert [one.signature for one in load_table(path).rows] == [row(16).signature, row(24).signature]
