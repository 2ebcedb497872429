"""Each command hands its options to one workflow and prints the result as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from evit_nas.errors import Infeasible
from evit_nas.workflows import results, training_results

SHARES = results.CoverageShares(measured=0.9, interpolated=0.08, extrapolated=0.02)
TABLE = results.TableInfo(
    path=Path("t.csv"), device="sm8450", runtime="litert", delegate="xnnpack", core="any", threads=1, dtype="fp32",
    lowering="authors", rows=16, provenance="calibrated", source="16 published times",
)  # fmt: skip
BEST = results.BestNetwork(
    arch=Path("r/networks/01.yaml"), resolution="960x1920", metric="miou", value=75.6, low=74.9, high=76.3, miou=75.6,
    latency_ms=191.0, latency_low_ms=180.0, latency_high_ms=204.0, macs=3_900_000_000, params=700_000, verified="no",
)  # fmt: skip
STAGE = results.StageTime(stage="stem", block="stem.0", latency_ms=1.5, share=0.15, kernels=2)

CASES: list[tuple[str, str, str, results.Result, list[str], list[str]]] = [
    (
        "devices",
        "devices",
        "devices",
        results.DevicesResult(devices=(results.DeviceInfo(id="R5C", kind="adb", soc=None, state="offline"),)),
        [],
        ["R5C", "unknown"],
    ),
    ("tables", "tables", "tables", results.TablesResult(tables=(TABLE,)), [], ["sm8450", "litert-xnnpack-any-t1-fp32"]),
    (
        "space",
        "space",
        "space",
        results.SpaceResult(space="efficientvit-seg", size=10**40, choices={"width": (8,)}, files=(Path("s.yaml"),)),
        ["efficientvit-seg", "--sample", "1"],
        ["1.00e40", "width", "s.yaml"],
    ),
    (
        "arch",
        "arch",
        "arch",
        results.ArchResult(arch="b0", resolution="512x1024", params=700_000, macs=10**9, stages=()),
        ["b0", "--resolution", "512x1024"],
        ["0.70 M parameters", "1.00 G MACs"],
    ),
    (
        "profile",
        "profile",
        "profile",
        results.ProfileResult(table=Path("t.csv"), rows=40, rows_new=4, coverage=0.5, device="host-1", seconds=3.0),
        ["--device", "host", "--quick"],
        ["40 (4 new", "50.0%"],
    ),
    (
        "predict",
        "predict",
        "predict",
        results.PredictResult(
            latency_ms=10.0, low_ms=9.0, high_ms=11.0, provenance="measured", shares={"measured": 1.0}, coverage=SHARES,
            device="host-1", table=Path("t.csv"), lowering="ours", threads=2, breakdown=(STAGE,),
        ),
        ["b0", "--device", "host", "--resolution", "512x1024", "--breakdown", "--threads", "2"],
        ["10.00 ms", "9.00 to 11.00", "2 threads", "extrapolated 2%", "stem.0"],
    ),
    (
        "measure",
        "measure",
        "measure",
        results.MeasureResult(
            latency_ms=10.0, low_ms=9.9, high_ms=10.1, runs=30, device="h", threads=1, lowering="ours", notes=("cold",)
        ),
        ["b0", "--device", "host", "--resolution", "512x1024"],
        ["10.00 ms", "30 runs", "cold"],
    ),
    (
        "search",
        "search",
        "search",
        results.SearchResult(run=Path("r"), feasible=True, best=(BEST,), verified=False, evaluated=2000, seconds=20.0),
        ["--budget", "200ms"],
        ["mIoU", "75.60 (74.90 to 76.30)", "2000 networks"],
    ),
    ("report", "report", "report", results.ReportResult(files=(Path("r/report.html"),)), ["r"], ["r/report.html"]),
    (
        "export",
        "export",
        "export",
        results.ExportResult(
            files={"tflite": Path("m.tflite"), "pt": Path("m.pt")},
            parity={"tflite": results.Parity(max_abs_error=1e-5, max_rel_error=1e-6)},
            weights="untrained", resolution="512x1024", converter="direct", schedule="plain",
        ),
        ["b0", "--out", "o"],
        ["1.00e-05", "untrained"],
    ),
    (
        "tables diff",
        "tables",
        "tables_diff",
        results.TablesDiffResult(
            a=Path("a.csv"), b=Path("b.csv"), shared=2, only_a=1, only_b=0, median_ratio=1.25,
            changes=(results.RowChange(signature="ADD", a_us=10.0, b_us=12.5, ratio=1.25),),
        ),
        ["a.csv", "b.csv"],
        ["1.250", "ADD"],
    ),
    (
        "tables validate",
        "tables",
        "tables_validate",
        results.TablesValidateResult(tables=(results.TableCheck(path=Path("a.csv"), rows=3),), valid=True),
        ["a.csv"],
        ["sound"],
    ),
    (
        "tables merge",
        "tables",
        "tables_merge",
        results.TablesMergeResult(table=Path("c.csv"), rows=5, from_a=3, from_b=2),
        ["a.csv", "b.csv", "--out", "c.csv"],
        ["5 (3 from A, 2 from B)"],
    ),
    (
        "tables calibrate",
        "tables",
        "tables_calibrate",
        results.CalibrateResult(
            table=Path("c.csv"), rows=1, loo_mape=2.1, in_sample_mape=1.2,
            networks=(results.CalibrationFit(name="b0", measured_ms=200.0, left_out_ms=205.0),),
        ),
        ["--device", "phone", "--rows", "r.csv"],
        ["2.10 % leave one out", "205.0"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "module", "function", "result", "argv", "parts"), CASES, ids=[c[0] for c in CASES])
def test_text_and_json(
    command: Any,
    stand_in: Any,
    name: str,
    module: str,
    function: str,
    result: results.Result,
    argv: list[str],
    parts: list[str],
) -> None:
    stand_in(module, function, lambda **options: result)
    text = command([*name.split(), *argv])
    assert (text.code, text.err) == (0, "")
    assert [part for part in parts if part not in text.out] == []
    document = command([*name.split(), *argv, "--json"])
    assert (document.code, document.err) == (0, "")
    assert json.loads(document.out) == result.to_json()


def captured(stand_in: Any, module: str, function: str, result: results.Result) -> dict[str, object]:
    """The options that the workflow is called with, filled when it is."""
    seen: dict[str, object] = {}

    def workflow(**options: object) -> results.Result:
        seen.update(options)
        return result

    stand_in(module, function, workflow)
    return seen


def test_search_reads_its_options(command: Any, stand_in: Any) -> None:
    result = results.SearchResult(run=Path("r"), feasible=True, best=(), verified=False)
    seen = captured(stand_in, "search", "search", result)
    argv = ["search", "--budget", "0.2s", "--device", "host", "--trials", "50", "--seed", "3", "--lowering", "ours"]
    assert command([*argv, "--out", "o", "--tables", "t", "--merge"]).code == 0
    expected = {"budget_ms": 200.0, "device": "host", "trials": 50, "seed": 3, "lowering": "ours", "out": Path("o")}
    assert seen | expected == seen
    assert (seen["tables"], seen["merge"], seen["space"], seen["resume"]) == (Path("t"), True, "efficientvit-seg", None)


def test_train_and_evaluate_read_their_options(command: Any, stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = training_results.TrainResult(
        checkpoint=Path("n"), miou=50.0, per_class={"road": 50.0}, dataset="scenes", resolution="32x64", epochs=1,
        seed=0, history=Path("h.csv"),
    )  # fmt: skip
    seen = captured(stand_in, "train", "train", trained)
    argv = ["train", "b0", "--dataset", "scenes"]
    assert "mIoU        50.00" in command([*argv, "--init", "b3.pt", "--tensorboard"]).out
    assert (seen["init"], seen["tensorboard"], seen["resume"]) == (Path("b3.pt"), True, False)
    monkeypatch.setenv("RANK", "1")  # of torchrun: the first process alone speaks
    assert command([*argv, "--json"]).out == ""
    scored = training_results.EvaluateResult(
        miou=50.0, per_class={"road": 50.0}, dataset="scenes", split="val", images=3, resolution="32x64",
        confusion=((1,),), seconds=1.0, files=(Path("confusion.png"),),
    )  # fmt: skip
    seen = captured(stand_in, "evaluate", "evaluate", scored)
    argv = ["evaluate", "n.tflite", "--dataset", "scenes", "--scales", "0.5,1", "--flip", "--sliding-window"]
    monkeypatch.delenv("RANK")
    assert "confusion.png" in command([*argv, "--out", "o"]).out
    assert (seen["scales"], seen["flip"], seen["sliding_window"], seen["out"]) == ((0.5, 1.0), True, True, Path("o"))


def test_a_run_goes_on_without_a_budget(command: Any, stand_in: Any) -> None:
    result = results.SearchResult(run=Path("r"), feasible=True, best=(), verified=False)
    seen = captured(stand_in, "search", "search", result)
    assert command(["search", "--resume", "reports/a"]).code == 0
    assert (seen["budget_ms"], seen["resume"]) == (None, Path("reports/a"))


def test_an_impossible_budget_is_exit_3_and_still_a_document(command: Any, stand_in: Any) -> None:
    def workflow(**options: object) -> None:
        raise Infeasible("budget 1 ms: the fastest member takes 9.3 ms")

    stand_in("search", "search", workflow)
    done = command(["search", "--budget", "1ms", "--json"])
    assert done.code == 3
    assert "9.3 ms" in done.err
    document = json.loads(done.out)
    assert (document["feasible"], document["best"], document["run"]) == (False, [], None)


def test_export_reads_formats_and_output(command: Any, stand_in: Any) -> None:
    result = results.ExportResult(
        files={}, parity={}, weights="untrained", resolution="64x64", converter="direct", schedule="plain"
    )
    seen = captured(stand_in, "export", "export", result)
    argv = ["export", "b0", "--format", "onnx,tflite", "--resolution", "64x64", "--output", "argmax", "--out", "o"]
    assert command(argv).code == 0
    assert (seen["formats"], seen["resolution"], seen["output"]) == (("onnx", "tflite"), (64, 64), "argmax")


def test_a_damaged_table_is_exit_1_and_named(command: Any, stand_in: Any) -> None:
    damaged = results.TableCheck(path=Path("a.csv"), rows=0, problem="a.csv:3: checksum differs")
    result = results.TablesValidateResult(tables=(damaged,), valid=False)
    stand_in("tables", "tables_validate", lambda **options: result)
    done = command(["tables", "validate", "a.csv"])
    assert done.code == 1
    assert "a.csv:3: checksum differs" in done.err


def test_miou_is_left_out_where_the_metric_is_another_one() -> None:
    best = replace(BEST, metric="top1", miou=None)
    document = results.SearchResult(run=None, feasible=True, best=(best,), verified=True).to_json()
    assert "miou" not in document["best"][0]
    assert {f.name for f in fields(best)} - set(document["best"][0]) == {"miou"}
