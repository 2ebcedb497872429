"""benchmark_model on the fake phone: reads the pushed model and answers in the classic tool's formats."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import exp, sqrt

from evit_nas.fakephone.benchmark.costing import times_us
from evit_nas.fakephone.benchmark.flags import BadFlag, Flags, help_text, parse_flags
from evit_nas.fakephone.benchmark.kernels import FusedKernel, delegated_count, kernels_of
from evit_nas.fakephone.benchmark.model_file import BadModel, read_model
from evit_nas.fakephone.benchmark.names import event_names
from evit_nas.fakephone.benchmark.protobuf import proto_bytes
from evit_nas.fakephone.benchmark.statistics import Profile, Stat
from evit_nas.fakephone.benchmark.tables import csv_text, stdout_text
from evit_nas.fakephone.filesystem import FileError
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.process import Ended
from evit_nas.fakephone.program import Pipes, Program
from evit_nas.fakephone.shell_service import spoil

PROGRAM_FILE = b"#!evit-nas fake benchmark_model\nsimulated, version 1\n"
_CHUNK_US = 20_000.0  # the phone's state is looked at this often
_FIRST_SLOWER = 1.15
_CROWD_SD = 0.15
_EVENT_US = 0.2  # what profiling one kernel costs the run
_INIT_TITLE = "Profiling Info for Benchmark Initialization:"
_RUNS_TITLE = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_FOOTPRINT = (
    "INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the "
    "actual memory footprint of the model at runtime. Take the information at your discretion.\n"
)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model with its kernels, as far as it is the same on every phone."""

    kernels: tuple[FusedKernel, ...]
    names: tuple[tuple[str, str], ...]
    operators: int
    delegated: int
    partitions: int
    size_bytes: int


@lru_cache(maxsize=8)
def _loaded(content: bytes, delegate: bool) -> _Loaded:
    """Raises BadModel. Kept, since a model is run several times."""
    model = read_model(content)
    kernels = kernels_of(model, delegate)
    taken, partitions = delegated_count(model) if delegate else (0, 0)
    return _Loaded(kernels, tuple(event_names(kernels)), len(model.operators), taken, partitions, len(content))


def benchmark_model(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    """The program. Raises Ended where it is killed or a fault ends it."""
    try:
        flags = parse_flags(arguments[1:])
    except BadFlag as error:
        pipes.complain(f"ERROR: failed to parse flag {error}\n{help_text(arguments[0])}ERROR: Benchmarking failed.")
        return 1
    if flags.on("help"):
        pipes.err(f"{help_text(arguments[0])}ERROR: Benchmarking failed.\n".encode())
        return 1
    return _Run(shell, flags, pipes).run()


class _Run:
    """One process of the tool."""

    def __init__(self, shell: Shell, flags: Flags, pipes: Pipes) -> None:
        self._shell, self._flags, self._pipes = shell, flags, pipes
        self._phone, self._process = shell.phone, shell.process
        self._phone.enter("run")
        self._random = random.Random()
        self._held = bytearray()
        self._spoilt = any(self._phone.faulty(name, "run") for name in ("truncated-output", "garbage-bytes"))
        self._process_factor = exp(self._random.gauss(0.0, self._phone.model.noise_sd / 2))
        self._first = True

    def run(self) -> int:
        """The exit code."""
        self._say("INFO: STARTING!\n")
        if self._flags.unconsumed:
            self._say(f"WARN: Unconsumed cmdline flags: {' '.join(self._flags.unconsumed)}\n")
        self._say(self._flags.echo())
        loaded = self._load()
        if isinstance(loaded, str):
            self._pipes.complain(f"{loaded}\nERROR: Benchmarking failed.")
            return 1
        self._initialize(loaded)
        code = 0 if self._flags.on("dry_run") else self._benchmark(loaded)
        if self._spoilt:
            self._pipes.out(spoil(self._phone, bytes(self._held), "run"))
        return code

    def _say(self, text: str) -> None:
        if self._spoilt:
            self._held += text.encode()
        else:
            self._pipes.say(text)

    def _load(self) -> _Loaded | str:
        """The model, or the tool's words on why there is none."""
        graph = self._flags.text("graph")
        if not graph:
            return "ERROR: Please specify the name of your TF Lite input file with --graph"
        try:
            content = self._phone.files.read(self._shell.path(graph))
        except FileError:
            return f"ERROR: Could not open '{graph}'.\nERROR: Failed to mmap model {graph}"
        try:
            loaded = _loaded(content, self._flags.given.get("use_xnnpack") != "false")
        except BadModel:
            return f"ERROR: The model is not a valid Flatbuffer buffer\nERROR: Failed to mmap model {graph}"
        self._kernel_us = times_us(loaded.kernels, self._phone.model)
        return loaded

    def _initialize(self, loaded: _Loaded) -> None:
        self._say(f"INFO: Loaded model {self._flags.text('graph')}\n")
        self._pipes.complain("INFO: Initialized TensorFlow Lite runtime.")
        if loaded.partitions:
            self._pipes.complain(
                "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
                f"VERBOSE: Replacing {loaded.delegated} out of {loaded.operators} node(s) with delegate "
                f"(TfLiteXNNPackDelegate) node, yielding {loaded.partitions} partitions for subgraph 0."
            )
        if self._flags.given.get("use_xnnpack") == "true":
            self._say("INFO: XNNPACK delegate created.\n")
            if loaded.partitions == 1 and loaded.delegated == loaded.operators:
                self._say(
                    "INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the "
                    "delegate.\n"
                )
        self._init_us = int(4000 + 60 * loaded.operators + loaded.size_bytes / 400)
        self._phone.spend(self._process, self._init_us / 1e6, "run", busy=True)
        self._say(f"INFO: The input model file size (MB): {loaded.size_bytes / 1e6:g}\n")
        self._say(f"INFO: Initialized session in {self._init_us / 1000:g}ms.\n")

    def _benchmark(self, loaded: _Loaded) -> int:
        flags = self._flags
        profiling = flags.on("enable_op_profiling")
        warmup = self._phase(loaded, int(flags.number("warmup_runs")), flags.number("warmup_min_secs"), None)
        self._die_or_hang()
        profile = Profile(_RUNS_TITLE) if profiling else None
        runs = self._phase(loaded, int(flags.number("num_runs")), flags.number("min_secs"), profile)
        first_us = (warmup.values or runs.values)[0]
        self._say(f"INFO: Inference timings in us: Init: {self._init_us}, First inference: {first_us}, ")
        self._say(f"Warmup (avg): {warmup.mean if warmup.values else 0:g}, Inference (avg): {runs.mean:g}\n")
        self._say(_FOOTPRINT)
        megabytes = 2 + loaded.size_bytes / 1e6
        self._say(f"INFO: Memory footprint delta from the start of the tool (MB): init={megabytes:g} ")
        self._say(f"overall={megabytes * 1.5:g}\n")
        if flags.on("report_peak_memory_footprint"):
            peak = f"{megabytes * 1.7:g}"
            self._say(f"INFO: Overall peak memory footprint (MB) via periodic monitoring: {peak}\n")
        return self._report(profile) if profile is not None else 0

    def _die_or_hang(self) -> None:
        if self._phone.faulty("hang", "run"):
            self._phone.hang(self._process)
        for code in (139, 137):
            if self._phone.faulty(f"crash-{code}", "run"):
                raise Ended(code)

    def _phase(self, loaded: _Loaded, least_runs: int, least_s: float, profile: Profile | None) -> Stat:
        """Warm-up, or the timed runs: until both limits are met."""
        most_s = self._flags.number("max_secs")
        if least_runs <= 0 and least_s <= 0:
            return Stat()
        self._say(
            f"INFO: Running benchmark for at least {least_runs} iterations and at least {least_s:g} seconds but "
            f"terminate if exceeding {most_s:g} seconds.\n"
        )
        stat, spent_us = Stat(), 0.0
        while (len(stat.values) < least_runs or spent_us < least_s * 1e6) and spent_us < most_s * 1e6:
            slowdown = self._slowdown()
            chunk_us = 0.0
            while chunk_us < _CHUNK_US and (len(stat.values) < least_runs or spent_us + chunk_us < least_s * 1e6):
                time_us = self._inference_us(loaded, slowdown, profile)
                stat.values.append(self._whole(time_us))
                chunk_us += time_us
                if spent_us + chunk_us >= most_s * 1e6:
                    break
            spent_us += chunk_us
            self._phone.spend(self._process, chunk_us / 1e6, "run", busy=True)
            self._die_or_hang()
        self._say(f"INFO: {stat.line(percentiles=True)}\n\n")
        return stat

    def _slowdown(self) -> float:
        threads = max(int(self._flags.number("num_threads")), 1)
        return self._process_factor * self._phone.slowdown(self._process.mask, threads)

    def _inference_us(self, loaded: _Loaded, slowdown: float, profile: Profile | None) -> float:
        if self._first:
            self._first = False
            slowdown *= _FIRST_SLOWER
        sd = self._phone.model.noise_sd
        crowd = abs(self._random.gauss(0.0, _CROWD_SD)) if self._phone.crowded() else 0.0
        slowdown *= 1 + crowd
        graph_us = self._phone.model.graph_us * slowdown
        if profile is None:
            total_us = sum(self._kernel_us)
            spread_us = sd * sqrt(sum(time_us * time_us for time_us in self._kernel_us))
            return max((total_us + self._random.gauss(0.0, spread_us)) * slowdown, 0.1 * total_us) + graph_us
        times = [max(time_us * slowdown * (1 + self._random.gauss(0.0, sd)), 0.0) for time_us in self._kernel_us]
        events = [
            (*name, int(time_us) if kernel.partition >= 0 else self._whole(time_us))
            for name, kernel, time_us in zip(loaded.names, loaded.kernels, times, strict=True)
        ]
        profile.add_run(events[: self._buffer_entries()])
        return sum(times) + graph_us + _EVENT_US * len(times)

    def _buffer_entries(self) -> int:
        if self._flags.on("allow_dynamic_profiling_buffer_increase"):
            return 1 << 30
        return int(self._flags.number("max_profiling_buffer_entries"))

    def _whole(self, time_us: float) -> int:
        """Between two readings of a clock that counts microseconds, as TFLite takes its times.

        XNNPACK instead cuts off the difference of two finer readings (xnn_get_elapsed_time in its src/runtime.c).
        """
        return int(time_us + self._random.random())

    # --- the profile

    def _report(self, profile: Profile) -> int:
        init = Profile(_INIT_TITLE)
        half = self._init_us // 2
        init.add_run(
            [
                ("ModifyGraphWithDelegate", "ModifyGraphWithDelegate/0", half),
                ("AllocateTensors", "AllocateTensors/0", self._init_us - half),
            ]
        )
        mode, path = self._flags.text("op_profiling_output_mode"), self._flags.text("op_profiling_output_file")
        if self._flags.text("profiling_output_csv_file"):
            mode, path = "csv", self._flags.text("profiling_output_csv_file")
        if mode == "stdout" or not path:
            text = csv_text if mode == "csv" else _titled_table
            self._say("".join(f"{text(part)}\n" for part in (init, profile)))
            return 0
        writers: Mapping[str, Callable[[], bytes]] = {
            "csv": lambda: (csv_text(init) + csv_text(profile)).encode(),
            "proto": lambda: proto_bytes(init, profile),
        }
        if mode not in writers:
            self._pipes.complain(f"ERROR: Unknown op profiling output mode {mode}\nERROR: Benchmarking failed.")
            return 1
        content = spoil(self._phone, writers[mode](), "run")
        try:
            self._phone.files.write(self._shell.path(path), content)
        except FileError as error:
            self._pipes.complain(f"ERROR: failed to open output file {path}: {error}")
        return 0


def _titled_table(profile: Profile) -> str:
    return f"INFO: {profile.title}\n{stdout_text(profile)}"


PROGRAMS: Mapping[str, Program] = {"benchmark_model": benchmark_model}
