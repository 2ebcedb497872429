"""The sm8450 calibration: its errors against what the project claims, and bad rows by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evit_nas.errors import InputError, TableError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelGraph
from evit_nas.graph.lowering import AUTHORS
from evit_nas.latency.predictor.calibrate import Calibration, calibrate, calibrate_table
from evit_nas.latency.predictor.calibrated import CalibratedPredictor
from evit_nas.latency.predictor.calibration_rows import read_network_times
from evit_nas.latency.predictor.phone_costs import shipped_phone_costs
from evit_nas.latency.table.store import load_table
from evit_nas.space.arch import ArchConfig, BlockConfig, MBConvConfig, StageConfig, named_arch

TABLES = Path(__file__).parents[3] / "latency_tables"
PUBLISHED = TABLES / "sm8450" / "source" / "published.csv"
SHIPPED = TABLES / "sm8450" / "litert-xnnpack-x2-t1-fp32.csv"


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(read_network_times(PUBLISHED, shipped_phone_costs()))


@pytest.fixture(scope="module")
def shipped() -> CalibratedPredictor:
    return CalibratedPredictor(load_table(SHIPPED))


def _kernels(arch: ArchConfig, height: int, width: int) -> KernelGraph:
    return fuse(emit(arch, (height, width), AUTHORS))


def test_nested_leave_one_out_holds_the_claim(calibration: Calibration) -> None:
    errors = calibration.errors
    assert errors["loo_mape"] <= 1.7
    assert errors["loo_max"] <= 4
    assert errors["in_sample_mape"] <= 1.5


def test_left_out_families_and_tasks_stay_within_ten_percent(calibration: Calibration) -> None:
    for name in ("leave_family_out_mape", "leave_task_out_mape"):
        assert max(calibration.errors[name].values()) <= 10


def test_rows_that_were_never_fitted(calibration: Calibration) -> None:
    never = calibration.errors["never_fitted"]
    assert abs(never["b3-ade20k 384x384"]) <= 4
    assert max(abs(error) for name, error in never.items() if "SegFormer" in name) <= 12


def test_the_shipped_table_is_what_the_command_makes(tmp_path: Path) -> None:
    made = calibrate_table(PUBLISHED, device="sm8450", tables_dir=tmp_path)
    shipped = load_table(SHIPPED)
    assert shipped.provenance.coefficients == pytest.approx(made.provenance.coefficients, rel=1e-4)
    assert shipped.provenance.calibration["ranges"] == made.provenance.calibration["ranges"]


def test_it_never_calls_itself_measured(shipped: CalibratedPredictor) -> None:
    prediction = shipped.predict(_kernels(named_arch("b0"), 960, 1920))
    assert prediction.provenance == "calibrated"
    assert prediction.coverage.measured == 0
    assert prediction.latency_ms == pytest.approx(200, rel=0.05)


def test_published_times_lie_in_their_intervals(shipped: CalibratedPredictor) -> None:
    for name, height, width, ms in (("b1-cls", 224, 224, 19), ("b2", 1024, 2048, 3100), ("b3-ade20k", 384, 384, 450)):
        prediction = shipped.predict(_kernels(named_arch(name), height, width))
        assert prediction.low_ms <= ms <= prediction.high_ms


def _b0_with_kernel(kernel: int) -> ArchConfig:
    arch = named_arch("b0")
    block = BlockConfig(mbconv=MBConvConfig(kernel=kernel))
    stages = (StageConfig(width=16, down=MBConvConfig(kernel=kernel), blocks=(block,)), *arch.stages[1:])
    return ArchConfig(stem=arch.stem, stages=stages, head=arch.head, head_dim=16)


def test_what_no_source_varies_is_extrapolated_and_wider(shipped: CalibratedPredictor) -> None:
    official = shipped.predict(_kernels(_b0_with_kernel(3), 960, 1920))
    large = shipped.predict(_kernels(_b0_with_kernel(7), 960, 1920))
    assert official.coverage.extrapolated < 0.01
    assert large.coverage.extrapolated > 0.05
    assert large.latency_ms > official.latency_ms
    assert large.high_ms / large.latency_ms > 1.02 * official.high_ms / official.latency_ms


def test_what_only_the_blocks_of_sd888_vary_is_interpolated_and_wider(shipped: CalibratedPredictor) -> None:
    official = shipped.predict(_kernels(_b0_with_kernel(3), 224, 224))
    larger = shipped.predict(_kernels(_b0_with_kernel(5), 224, 224))
    assert larger.coverage.extrapolated < 0.02
    assert larger.latency_ms > 1.02 * official.latency_ms
    assert larger.high_ms / larger.latency_ms > 1.01 * official.high_ms / official.latency_ms


HEADER = "arch,resolution,threads,core,ms\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("arch,ms\nb0,3\n", "'resolution' is missing"),
        (HEADER + "b9,64x64,1,X2,3\n", "b9"),
        (HEADER + "b0,64,1,X2,3\n", "not HEIGHTxWIDTH"),
        (HEADER + "b0,65x64,1,X2,3\n", "multiples of 32"),
        (HEADER + "b0,64x64,1,X2,nan\n", "ms nan must be above 0"),
        (HEADER + "b0,64x64,1,X2,-3\n", "ms -3 must be above 0"),
        (HEADER + "b0,64x64,1.5,X2,3\n", "threads '1.5'"),
        (HEADER + "b0,64x64,1,X2\n", "4 fields instead of 5"),
        ("arch,resolution,threads,core,ms,colour\nb0,64x64,1,X2,3,red\n", "colour"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_network_times(path, shipped_phone_costs())


def test_mixed_conditions_and_too_few_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = [f"b0,{side}x{side},{1 + side % 64 // 32},X2,{side}" for side in range(64, 320, 32)]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    with pytest.raises(InputError, match="different conditions"):
        calibrate(read_network_times(path, shipped_phone_costs()))
    path.write_text(HEADER + rows[0] + "\n")
    with pytest.raises(InputError, match="at least 6"):
        calibrate(read_network_times(path, shipped_phone_costs()))


def test_half_the_last_printed_digit(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "b0,64x64,1,X2,3.20\nb0,96x96,1,X2,12\n")
    assert [row.half_rounding_ms for row in read_network_times(path, shipped_phone_costs())] == [
        pytest.approx(0.005),
        0.5,
    ]


def test_a_damaged_calibration_is_refused(shipped: CalibratedPredictor) -> None:
    table = load_table(SHIPPED)
    provenance = table.provenance
    broken = provenance.model_copy(update={"calibration": {**provenance.calibration, "covariance": [[1.0]]}})
    with pytest.raises(TableError, match="covariance"):
        CalibratedPredictor(replace(table, provenance=broken))


@pytest.mark.parametrize("device", ["", "..", "../x", "a/b", ".hidden", "x" * 65])
def test_a_device_name_that_is_no_file_name_is_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(InputError, match="device"):
        calibrate_table(PUBLISHED, device=device, tables_dir=tmp_path / "tables")
    assert not list(tmp_path.rglob("*.csv"))
