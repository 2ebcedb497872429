"""What the fake's benchmark_model answers: times of its cost model, cut off as the real tool cuts them off."""

from __future__ import annotations

from evit_nas.fakephone.benchmark.tool import PROGRAM_FILE
from evit_nas.fakephone.cost_model import KINDS, CostModel, KindCost
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.program import Pipes
from evit_nas.fakephone.programs import PROGRAMS, TOOLS
from evit_nas.latency.profiler.benchmark_model.parse_stdout import parse_stdout
from evit_nas.soc.registry import resolve

TOOL = "/data/local/tmp/benchmark_model"
MODEL = "/data/local/tmp/model.tflite"


def said(fixed_us: float, model: bytes) -> str:
    """Output of a profiled call where every kernel takes `fixed_us`."""
    costs = CostModel(kinds={kind: KindCost(fixed_us=fixed_us, per_mac_ns=0.0, per_byte_ns=0.0) for kind in KINDS})
    phone = Phone(resolve("sm8450"), costs)
    phone.files.install(TOOL, PROGRAM_FILE)
    phone.files.install(MODEL, model)
    output = bytearray()
    pipes = Pipes(lambda: b"", output.extend, lambda data: None)
    call = f"{TOOL} --graph={MODEL} --num_runs=20 --min_secs=0 --use_xnnpack=true --enable_op_profiling=true"
    assert Shell(phone, phone.start("sh"), PROGRAMS, TOOLS).run(call, pipes) == 0
    return output.decode()


def test_times_of_the_delegate_are_cut_off_to_whole_microseconds(small_model: bytes) -> None:
    report = parse_stdout(said(9.9, small_model))
    assert report.profile is not None
    assert [row.avg_us for row in report.profile.rows] == [9.0]
    assert 9.0 < report.latency.avg_us <= 11.0  # whole runs are between two readings of a clock of microseconds
