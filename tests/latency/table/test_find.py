"""The nearest table wins, and a missing one names what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.errors import TableError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.table import find
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import Table, table_path, write_table


def put(folder: Path, device: str, threads: int = 1) -> Path:
    conditions = Conditions(device=device, threads=threads)
    path = table_path(folder, conditions)
    write_table(Table(provenance=TableProvenance(conditions=conditions), rows=()), path)
    return path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    folders = {name: tmp_path / name / "latency_tables" for name in ("given", "here", "user", "shipped")}
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(find, "user_tables_dir", lambda: folders["user"])
    monkeypatch.setattr(find, "shipped_tables_dir", lambda: folders["shipped"])
    return folders


def test_nearest_folder_first(places: dict[str, Path]) -> None:
    expected = [put(places[name], "sm8450") for name in ("here", "user", "shipped")]
    assert list(find.find_tables("sm8450")) == expected
    assert find.find_table("sm8450") == expected[0]


def test_a_given_folder_with_the_device_is_used_alone(places: dict[str, Path]) -> None:
    put(places["shipped"], "sm8450")
    given = put(places["given"], "sm8450")
    assert find.find_tables("sm8450", places["given"]) == (given,)


def test_a_given_folder_without_the_device_falls_back(places: dict[str, Path]) -> None:
    shipped = put(places["shipped"], "sm8450")
    put(places["given"], "sm8350")
    assert find.find_table("sm8450", places["given"]) == shipped


def test_threads_choose_the_table(places: dict[str, Path]) -> None:
    put(places["here"], "sm8450", threads=1)
    two = put(places["shipped"], "sm8450", threads=2)
    assert find.find_table("sm8450", threads=2) == two
    with pytest.raises(TableError, match=r"for 4 threads.*t1-fp32, .*t2-fp32"):
        find.find_table("sm8450", threads=4)


def test_an_unknown_device_names_the_nearest(places: dict[str, Path]) -> None:
    put(places["shipped"], "sm8450")
    with pytest.raises(TableError, match="did you mean 'sm8450'"):
        find.find_table("sm8451")


def test_new_tables_go_to_the_first_writable_folder(places: dict[str, Path]) -> None:
    assert find.writable_tables_dir() == places["here"]
    assert find.writable_tables_dir(places["given"]) == places["given"]
    (places["given"].parent).mkdir()
    (places["given"]).write_text("a file in the way")
    with pytest.raises(TableError, match="cannot be written"):
        find.writable_tables_dir(places["given"])


def test_listing_shows_damaged_tables_with_their_problem(places: dict[str, Path]) -> None:
    put(places["here"], "sm8450")
    put(places["shipped"], "sm8350").write_text("nonsense\n")
    listed = find.list_tables()
    assert [entry.table is None for entry in listed] == [False, True]
    assert "unknown column" in listed[1].problem


def test_a_folder_stands_for_the_tables_in_it(places: dict[str, Path]) -> None:
    table = put(places["here"], "sm8450")
    assert find.tables_under(places["here"]) == (table,)
    assert find.tables_under(table.parent) == (table,)
    assert find.tables_under(table) == (table,)
    (places["given"]).mkdir(parents=True)
    with pytest.raises(TableError, match="holds no latency table"):
        find.tables_under(places["given"])


def test_a_given_folder_that_is_none_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(TableError, match="no such folder"):
            find.check_given(path)
    find.check_given(tmp_path)
    find.check_given(None)


def test_a_path_without_a_name_is_no_table() -> None:
    assert "a latency table is a .csv file" in find.check_table(Path()).problem
