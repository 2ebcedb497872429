"""A queue of trainings: each is trained, evaluated and written into a table, and what was interrupted goes on.

A job is finished when it has its line in the table beside the plan (`TABLE.csv` for the data set TABLE). A worker
holds a file lock on the job it trains, so that workers share a plan without knowing of each other, and a job whose
worker died is free again; its training goes on from its last epoch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from evit_nas.errors import InputError
from evit_nas.files import folder
from evit_nas.graph.cost import arch_macs, arch_params
from evit_nas.space.arch import resolution_text
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.evaluate import evaluate
from evit_nas.workflows.measured_rows import MeasuredRow, add_row, finished_jobs
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.train import STATE, train
from evit_nas.workflows.train_facts import arch_hash, code_version, course, machine_name, recipe_name
from evit_nas.workflows.train_plan import PlannedTraining, read_plan
from evit_nas.workflows.training_results import EvaluateResult, TrainResult


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueResult:
    """Jobs of the plan: finished by this worker, failed in its hands (with the reason), and without a line yet."""

    finished: tuple[str, ...]
    failed: Mapping[str, str]
    left: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A plan at work. `roots`: the folder of each data set; `work` holds a folder for each training.

    `version` is that of the code when the queue started: the checkout may move on while it runs.
    """

    plan: Path
    roots: Mapping[str, Path]
    work: Path
    version: str
    threads: int = 1
    progress: Progress

    def table(self, job: PlannedTraining) -> Path:
        """Where its line goes: beside the plan; a data set and the same with drives held out share one."""
        return self.plan.parent / f"{job.dataset.removesuffix('-held-out')}.csv"

    def open_jobs(self) -> list[PlannedTraining]:
        """Jobs without a line, in the order of the plan, which is read again: it may grow meanwhile."""
        jobs = read_plan(self.plan)
        done = {table: finished_jobs(table) for table in {self.table(job) for job in jobs}}
        return [job for job in jobs if job.job not in done[self.table(job)]]


def run_queue(
    plan: Path,
    *,
    roots: Mapping[str, Path],
    work: Path,
    hours: float | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> QueueResult:
    """Work on the plan until nothing is left to take, or no job is begun any more because `hours` are over.

    A job that fails (its loss is no longer finite, say) is told and left; the next call tries it again. Raises
    InputError where the plan or a table cannot be read, and where a data set of the plan has no root.
    """
    queue = Queue(
        plan=plan,
        roots=roots,
        work=folder(work),
        version=code_version(),
        threads=threads,
        progress=progress or Silent(),
    )
    _check_jobs(queue)
    end = time.monotonic() + hours * 3600 if hours is not None else None
    finished: list[str] = []
    failed: dict[str, str] = {}
    while end is None or time.monotonic() < end:
        outcome = _work_on_one(queue, failed)
        if outcome is None:
            break
        if outcome:
            finished.append(outcome)
    return QueueResult(finished=tuple(finished), failed=failed, left=tuple(job.job for job in queue.open_jobs()))


def _check_jobs(queue: Queue) -> None:
    for job in queue.open_jobs():
        if resolve_arch(_file_or_name(queue, job.arch)).arch.task != "seg":
            raise InputError(f"{queue.plan}: job {job.job}: {job.arch} classifies whole images; its table holds mIoU")
        if job.dataset not in queue.roots and job.dataset != "scenes":
            raise InputError(
                f"{queue.plan}: job {job.job} needs the data set {job.dataset}; pass --root {job.dataset}=DIR"
            )


def _work_on_one(queue: Queue, failed: dict[str, str]) -> str | None:
    """The name of the job that was finished, "" for one that failed (then in `failed`); None where none is free."""
    for job in queue.open_jobs():
        if job.job in failed:
            continue
        try:
            with FileLock(queue.work / f"{job.job}.lock", timeout=0):
                if job.job in finished_jobs(queue.table(job)):
                    return ""
                return _finish(queue, job)
        except Timeout:
            continue  # another worker has it
        except InputError as error:
            failed[job.job] = str(error)
            queue.progress.note(f"{job.job}: {error}")
            return ""
    return None


def _finish(queue: Queue, job: PlannedTraining) -> str:
    """Train (or go on), evaluate, write the line, and remove what only a resume needs."""
    out, root, note = queue.work / job.job, queue.roots.get(job.dataset), queue.progress.note
    note(f"{job.job}: {job.epochs} epochs at {resolution_text(job.resolution)}, seed {job.seed}")
    trained = train(
        _file_or_name(queue, job.arch),
        dataset=job.dataset,
        root=root,
        epochs=job.epochs,
        recipe=_file_or_name(queue, job.recipe),
        resolution=job.resolution,
        out=out,
        resume=True,
        seed=job.seed,
        threads=queue.threads,
        progress=queue.progress,
    )
    scored = evaluate(
        trained.checkpoint, dataset=job.dataset, root=root, threads=queue.threads, progress=queue.progress
    )
    add_row(queue.table(job), _line(queue, job, trained, scored))
    (out / STATE).unlink(missing_ok=True)
    note(f"{job.job}: mIoU {scored.miou:.2f}, held out {trained.miou:.2f}")
    return job.job


def _line(queue: Queue, job: PlannedTraining, trained: TrainResult, scored: EvaluateResult) -> MeasuredRow:
    arch = resolve_arch(_file_or_name(queue, job.arch)).arch
    arch = replace(arch, head=replace(arch.head, classes=len(scored.per_class)))
    hours, curve = course(trained.history)
    assert scored.miou is not None
    assert trained.miou is not None
    return MeasuredRow(
        values={
            "job": job.job,
            "tag": job.tag,
            "arch": job.arch,
            "resolution": resolution_text(job.resolution),
            "seed": str(job.seed),
            "epochs": str(job.epochs),
            "recipe": recipe_name(_file_or_name(queue, job.recipe), job.epochs, job.resolution),
            "miou": f"{scored.miou:.4f}",
            "held_out_miou": f"{trained.miou:.4f}",
            "curve": curve,
            "params": str(arch_params(arch)),
            "macs": str(arch_macs(arch, job.resolution)),
            "hours": f"{hours:.4f}",
            "arch_hash": arch_hash(arch),
            "version": queue.version,
            "machine": machine_name(queue.threads),
        },
        per_class=scored.per_class,
    )


def _file_or_name(queue: Queue, text: str) -> str | Path:
    """The file beside the plan, else a name that ships."""
    file = queue.plan.parent / text
    return file if file.is_file() else text
