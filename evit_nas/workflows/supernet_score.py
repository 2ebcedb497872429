"""`evit-nas supernet score`: many members of a supernet, each scored once and kept in a table beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError
from evit_nas.graph.cost import arch_macs, arch_params
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text
from evit_nas.space.space import Candidate
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.measured_rows import MeasuredRow, add_row, finished_jobs
from evit_nas.workflows.progress import Progress
from evit_nas.workflows.supernet_setting import Setting, check_classes, make_setting, member_of, score_network
from evit_nas.workflows.train_facts import arch_hash, code_version, machine_name
from evit_nas.workflows.training_results import SupernetScoreResult

if TYPE_CHECKING:
    from evit_nas.accuracy.supernet.checkpoint import About
    from evit_nas.accuracy.supernet.supernet import Supernet

SAMPLE = 200


def supernet_score(
    checkpoint: Path,
    archs: Sequence[str | Path | ArchConfig] = (),
    *,
    dataset: str,
    root: Path | None = None,
    sample: int | None = None,
    recipe: str | Path | None = None,
    split: str = "val",
    resolution: Resolution | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> SupernetScoreResult:
    """mIoU of `archs`, or of `sample` members drawn by `seed` (200), at one input size: `resolution`, else the
    supernet's own. What the table has already is not scored again, so an interrupted call goes on.

    The table, CHECKPOINT-members.csv, makes the checkpoint an accuracy source of a search.
    """
    from evit_nas.accuracy.data.batches import Cached
    from evit_nas.accuracy.data.held_out import check_unseen
    from evit_nas.accuracy.estimator.sources import scores_beside
    from evit_nas.accuracy.supernet.checkpoint import load_supernet
    from evit_nas.accuracy.supernet.supernet import member

    setting = make_setting(dataset, root, recipe or dataset, None, None, seed, threads, progress)
    supernet, about = load_supernet(checkpoint)
    check_classes(checkpoint, about, setting)
    check_unseen(about.notes.get("dataset", ""), dataset, split)
    supernet.to(setting.device)
    size = resolution or about.resolution
    candidates = _candidates(supernet, archs, sample, seed, size)
    table, examples = scores_beside(checkpoint), Cached(setting.dataset.split("train"))
    scored = 0
    setting.progress.start(len(candidates), f"scoring members of {checkpoint.name} on {dataset} {split}, members")
    for candidate in candidates:
        job = f"{arch_hash(candidate.arch)}-{resolution_text(size)}-{dataset}-{split}"
        if job not in finished_jobs(table):
            began = time.monotonic()
            network = member(supernet, candidate.arch, setting.norm_images(examples, size), setting.hold)
            scores = score_network(network, setting, split, size)
            values = _values(
                job, candidate, about, setting, f"{dataset} {split}", scores.value, time.monotonic() - began
            )
            add_row(table, MeasuredRow(values=values, per_class=scores.per_class))
            scored += 1
        setting.progress.advance()
    return SupernetScoreResult(table=table, scored=scored, members=len(finished_jobs(table)))


def _candidates(
    supernet: Supernet, archs: Sequence[str | Path | ArchConfig], sample: int | None, seed: int, size: Resolution
) -> list[Candidate]:
    if archs and sample is not None:
        raise InputError("--sample draws members itself; give either it or ARCH")
    if archs:
        return [Candidate(member_of(supernet, resolve_arch(arch)), size) for arch in archs]
    drawn = supernet.space.sample(seed, sample or SAMPLE)
    return [Candidate(candidate.arch, size) for candidate in drawn]


def _values(
    job: str, candidate: Candidate, about: About, setting: Setting, where: str, miou: float, seconds: float
) -> dict[str, str]:
    arch = replace(candidate.arch, head=replace(candidate.arch.head, classes=len(about.class_names)))
    return {
        "job": job,
        "tag": "supernet",
        "arch": arch_to_yaml(arch),
        "resolution": resolution_text(candidate.resolution),
        "seed": str(setting.seed),
        "epochs": about.notes.get("epochs", ""),
        "recipe": f"supernet on {where}",
        "miou": f"{miou:.4f}",
        "held_out_miou": f"{miou:.4f}",
        "curve": "",
        "params": str(arch_params(arch)),
        "macs": str(arch_macs(arch, candidate.resolution)),
        "hours": f"{seconds / 3600:.5f}",
        "arch_hash": arch_hash(arch),
        "version": code_version(),
        "machine": machine_name(setting.threads),
    }
