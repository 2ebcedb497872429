"""`--init FILE`: the start of a training from other weights, told tensor by tensor."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError
from evit_nas.files import write_text

if TYPE_CHECKING:
    from evit_nas.accuracy.supernet.overlay import Laid
    from evit_nas.accuracy.supernet.supernet import Supernet
    from evit_nas.model.efficientvit import EfficientViT

INIT = "init.csv"


def digest(init: Path) -> str:
    """SHA-256 of the file: a training that is resumed must have started from the same one."""
    try:
        with init.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"--init {init}: cannot be read ({error.strerror}); give a checkpoint") from None


def start_from(init: Path, network: EfficientViT | Supernet, out: Path | None, note: Callable[[str], None]) -> None:
    """Put the weights of `init` into `network`; what became of each tensor goes to `init.csv` in `out`.

    Raises CheckpointError where the file is of no network of the family.
    """
    from evit_nas.accuracy.supernet.inherit import inherit, read_source

    lines = inherit(network, read_source(init))
    counts = Counter(line.taken for line in lines)
    note(f"started from {init}: {counts['whole']} tensors whole, {counts['part']} in part, {counts['new']} new")
    new_classifier = [line for line in lines if line.taken == "new" and line.source_shape is not None]
    if new_classifier:
        found, wanted = (shape[0] for shape in (new_classifier[0].source_shape or (0,), new_classifier[0].shape))
        note(f"the classifier starts anew: {init} has {found} classes, the data set {wanted}")
    if out is not None:
        write_text(out / INIT, _table(lines))


def _table(lines: Sequence[Laid]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("tensor", "shape", "source_shape", "taken"))
    for line in lines:
        writer.writerow((line.tensor, _shape(line.shape), _shape(line.source_shape), line.taken))
    return text.getvalue()


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else "x".join(map(str, shape))
