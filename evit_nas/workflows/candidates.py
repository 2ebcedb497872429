"""What ARCH, SPACE and a device's lowering mean on the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError, nearest
from evit_nas.graph.lowering import AUTHORS, OURS, Lowering, Schedule
from evit_nas.space.arch import NAMED_ARCHS, UPSAMPLES, ArchConfig, Resolution, Upsample, check_resolution, named_arch
from evit_nas.space.yaml_io import read_arch

if TYPE_CHECKING:
    from evit_nas.model.checkpoint import Checkpoint

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class ResolvedArch:
    """ARCH as found: the architecture, its name for file names, its own resolution and weights where it has them."""

    arch: ArchConfig
    name: str
    resolution: Resolution | None = None
    checkpoint: Checkpoint | None = None

    def at(self, resolution: Resolution | None) -> Resolution:
        """The resolution to use: the one asked for, else its own; with neither an InputError."""
        chosen = resolution or self.resolution
        if chosen is None:
            raise InputError(f"{self.name}: no resolution in the file and none given; pass --resolution HxW")
        return check_resolution(chosen)


def resolve_arch(arch: str | Path | ArchConfig, *, upsample: str | None = None) -> ResolvedArch:
    """ARCH: a name of the family, a YAML file, a checkpoint that describes itself, or an ArchConfig."""
    if upsample is not None and upsample not in UPSAMPLES:
        raise InputError(f"--upsample {upsample!r}: {nearest(upsample, UPSAMPLES)}")
    found = _find(arch)
    if upsample is None:
        return found
    chosen: Upsample = "bicubic" if upsample == "bicubic" else "bilinear"
    return replace(found, arch=replace(found.arch, upsample=chosen))


def _find(arch: str | Path | ArchConfig) -> ResolvedArch:
    if isinstance(arch, ArchConfig):
        return ResolvedArch(arch=arch, name="network")
    text = str(arch)
    if text in NAMED_ARCHS:
        return ResolvedArch(arch=named_arch(text), name=text)
    path = Path(text)
    if not path.is_file():
        raise InputError(f"architecture {text!r}: no such file and no such name; {nearest(text, NAMED_ARCHS)}")
    if path.suffix in CHECKPOINT_SUFFIXES:
        return _from_checkpoint(path)
    config, resolution = read_arch(path)
    return ResolvedArch(arch=config, name=path.stem, resolution=resolution)


def _from_checkpoint(path: Path) -> ResolvedArch:
    from evit_nas.model.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(path)
    if checkpoint.arch is None:
        raise InputError(
            f"{path}: a checkpoint that does not describe its architecture; give ARCH and --weights {path}"
        )
    return ResolvedArch(arch=checkpoint.arch, name=path.stem, resolution=checkpoint.resolution, checkpoint=checkpoint)


def resolve_lowering(style: str | None, *, default: str, schedule: Schedule | None = None) -> Lowering:
    """`ours`, `authors` or the default of the device's table."""
    chosen = style or default
    lowerings = {"ours": OURS, "authors": AUTHORS}
    if chosen not in lowerings:
        raise InputError(f"--lowering {chosen!r}: {nearest(chosen, lowerings)}")
    lowering = lowerings[chosen]
    return replace(lowering, schedule=schedule) if schedule is not None else lowering
