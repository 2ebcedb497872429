"""`evit-nas space`: what a search space holds, and members of it as files."""

from __future__ import annotations

from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.files import folder, write_text
from evit_nas.space.space import load_space
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows.results import SpaceResult


def space(
    space: str | Path = "efficientvit-seg", *, sample: int | None = None, seed: int = 0, out: Path | None = None
) -> SpaceResult:
    """Choices and exact size; with `sample` that many members, uniform by `seed`, written to `out`."""
    loaded = load_space(space)
    files: list[Path] = []
    if sample is not None:
        if out is None:
            raise InputError("--sample needs --out DIR: the folder that the members are written to")
        target = folder(out)
        for number, member in enumerate(loaded.sample(seed, sample)):
            path = target / f"{loaded.name}-{seed}-{number:04d}.yaml"
            write_text(path, arch_to_yaml(member.arch, member.resolution))
            files.append(path)
    return SpaceResult(
        space=loaded.name,
        size=loaded.size(),
        choices={dimension.name: dimension.choices for dimension in loaded.dimensions},
        files=tuple(files),
    )
