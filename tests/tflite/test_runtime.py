"""Running models through the C API: outputs, times, events, refusals, and no memory left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import InputError, RuntimeUnavailable
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.tflite import capi
from evit_nas.tflite.runtime import (
    InterpreterSession,
    Session,
    delegate_partitions,
    open_session,
    runtime_hash,
    runtime_version,
)
from evit_nas.tflite.runtime_isolated import run_isolated
from evit_nas.tflite.writer import write


def two_kernels(channels: int = 8) -> OpGraph:
    """3x3 convolution and hard-swish on a map [1, 16, 16, channels]."""
    random = np.random.default_rng(0)
    build = GraphBuilder()
    x = build.input((1, 16, 16, channels))
    weight = build.constant(random.standard_normal((channels, 3, 3, channels)).astype(np.float32))
    return build.finish([build.unary("HARD_SWISH", build.conv(x, weight, build.zeros(channels)))])


def without_bias() -> OpGraph:
    """A depthwise convolution that lacks its third input: some runtimes crash on it, others refuse."""
    tensors = {
        "x": Tensor("x", (1, 8, 8, 4)),
        "w": Tensor("w", (1, 3, 3, 4), data=np.ones((1, 3, 3, 4), np.float32)),
        "y": Tensor("y", (1, 8, 8, 4)),
    }
    attrs = (("depth_multiplier", 1), ("padding", "SAME"), ("stride_h", 1), ("stride_w", 1))
    return OpGraph(tensors, (Op("DEPTHWISE_CONV_2D", ("x", "w"), ("y",), attrs),), ("x",), ("y",))


@pytest.fixture(scope="module")
def model() -> bytes:
    return write(two_kernels())


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((1, 16, 16, 8)).astype(np.float32)


def test_both_ways_of_running_give_the_same_output(model: bytes, image: np.ndarray) -> None:
    with Session(model) as session, InterpreterSession(model) as interpreter:
        assert session.inputs == interpreter.inputs
        assert session.outputs == interpreter.outputs
        np.testing.assert_array_equal(session.run([image])[0], interpreter.run([image])[0])


def test_output_is_that_of_the_definition(image: np.ndarray) -> None:
    build = GraphBuilder()
    model = write(build.finish([build.unary("HARD_SWISH", build.input(image.shape))]))
    with Session(model) as session:
        expected = image * np.clip(image + 3, 0, 6) / 6
        np.testing.assert_allclose(session.run([image])[0], expected, rtol=1e-5, atol=1e-6)


def test_the_order_of_inputs_and_outputs_is_the_graphs(image: np.ndarray) -> None:
    build = GraphBuilder()
    a, b = build.input(image.shape), build.input(image.shape)
    model = write(build.finish([build.binary("SUB", a, b), build.binary("ADD", a, b)]))
    with Session(model) as session:
        difference, total = session.run([image, 2 * image])
    np.testing.assert_allclose(difference, -image, rtol=1e-6)
    np.testing.assert_allclose(total, 3 * image, rtol=1e-6)


def test_times_are_positive_and_one_per_run(model: bytes) -> None:
    with Session(model) as session:
        times = session.time_us(7, warmup=1)
    assert times.shape == (7,)
    assert times.dtype == np.float64
    assert (times > 0).all()


def test_events_name_every_kernel_in_order(model: bytes) -> None:
    with Session(model, profile=True) as session:
        events = session.profile(3)
    assert [event.kind for event in events] == ["delegate", "delegate"]
    assert [event.index for event in events] == [0, 1]
    assert "Convolution" in events[0].name
    assert "HardSwish" in events[1].name
    assert all(event.samples_us.shape == (3,) for event in events)


def test_events_outside_the_delegate_are_builtin() -> None:
    build = GraphBuilder()
    x = build.input((1, 4, 4, 8))
    model = write(build.finish([build.op("SIGN", (x,), (1, 4, 4, 8))]))
    with Session(model, profile=True) as session:
        (event,) = session.profile(1)
    assert (event.kind, event.name) == ("builtin", "SIGN")
    assert delegate_partitions(model) == 0


def test_profile_needs_a_profiled_session(model: bytes) -> None:
    with Session(model) as session, pytest.raises(RuntimeUnavailable, match="profile=True"):
        session.profile(1)
    with InterpreterSession(model) as session, pytest.raises(RuntimeUnavailable, match="events"):
        session.profile(1)


@pytest.mark.parametrize("kind", [Session, InterpreterSession])
def test_wrong_inputs_are_refused(kind: type, model: bytes) -> None:
    with kind(model) as session:
        with pytest.raises(InputError, match="1 inputs, got 0"):
            session.run([])
        with pytest.raises(InputError, match=r"float32\[1, 16, 16, 8\], got float64\[1, 16, 16, 8\]"):
            session.run([np.zeros((1, 16, 16, 8))])
        with pytest.raises(InputError, match=r"got float32\[1, 8, 8, 8\]"):
            session.run([np.zeros((1, 8, 8, 8), np.float32)])


@pytest.mark.parametrize("kind", [Session, InterpreterSession])
def test_what_is_no_model_is_refused_in_one_line(kind: type, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "junk.tflite"
    path.write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match=r"junk\.tflite: LiteRT cannot") as caught:
        kind(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match="No such file"):
        kind(tmp_path / "absent.tflite")


def test_the_reason_of_a_refusal_is_told() -> None:
    tensors = {"x": Tensor("x", (4,), "int32"), "y": Tensor("y", (4,), "int32")}
    with pytest.raises(InputError, match="Only float32"):
        Session(write(OpGraph(tensors, (Op("RELU", ("x",), ("y",)),), ("x",), ("y",))))


def test_the_runtime_prints_nothing(model: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with open_session(model, profile=True) as session:
        session.time_us(1)
        session.profile(1)
    delegate_partitions(model)
    assert capfd.readouterr() == ("", "")


def test_a_missing_symbol_is_named_with_the_wheel(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = {**capi._SIGNATURES, "LiteRtDoesNotExist": ()}
    monkeypatch.setattr(capi, "_SIGNATURES", signatures)
    capi.library.cache_clear()
    try:
        with pytest.raises(RuntimeUnavailable, match=f"{runtime_version()} does not export LiteRtDoesNotExist"):
            Session(model)
        with open_session(model) as session:
            assert isinstance(session, InterpreterSession)
        with pytest.raises(RuntimeUnavailable):
            open_session(model, profile=True)
    finally:
        capi.library.cache_clear()


def test_closing_twice_is_harmless(model: bytes) -> None:
    session = Session(model)
    session.close()
    session.close()


def test_many_sessions_leave_no_memory_and_no_files() -> None:
    model = write(two_kernels(64))

    def resident_pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def open_and_close(times: int) -> None:
        for _ in range(times):
            with Session(model) as session:
                session.time_us(1, 0)

    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc")
    open_and_close(100)
    pages, files = resident_pages(), open_files()
    open_and_close(500)
    assert resident_pages() - pages < 512  # 2 MB; one session's weights and maps alone are 0.5 MB
    assert open_files() == files


def test_the_runtime_is_identified() -> None:
    assert runtime_version().count(".") >= 1
    assert len(runtime_hash()) == 64


class TestIsolated:
    def test_it_times_and_profiles(self, model: bytes, tmp_path: Path) -> None:
        path = tmp_path / "model.tflite"
        path.write_bytes(model)
        result = run_isolated(path, "time", runs=4)
        assert result.times_us.shape == (4,)
        assert result.inputs[0].shape == (1, 16, 16, 8)
        assert [event.kind for event in run_isolated(path, "profile", runs=2).events] == ["delegate", "delegate"]

    def test_a_crash_is_contained_and_named(self, tmp_path: Path) -> None:
        path = tmp_path / "crash.tflite"
        path.write_bytes(write(without_bias()))
        with pytest.raises(InputError, match=r"crash\.tflite: "):
            run_isolated(path, "load")

    def test_a_hang_is_stopped(self, model: bytes, tmp_path: Path) -> None:
        path = tmp_path / "slow.tflite"
        path.write_bytes(model)
        with pytest.raises(InputError, match=r"slow\.tflite: no answer from the runtime within 1 s"):
            run_isolated(path, "time", runs=100_000_000, timeout_s=1)

    def test_a_refusal_is_passed_on(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="No such file"):
            run_isolated(tmp_path / "absent.tflite", "load")
