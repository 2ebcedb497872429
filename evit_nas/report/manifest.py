"""manifest.json: what a run folder holds and how it came about."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from evit_nas.errors import InputError
from evit_nas.files import write_text
from evit_nas.report.files import read_text

MANIFEST = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """All that is needed to repeat a run and to judge its numbers. Times are ISO 8601 in UTC."""

    command: str  # as typed, `evit-nas search --budget 200ms ...`
    created_at: str
    seconds: float  # of the search itself
    versions: Mapping[str, str]  # package -> version
    seed: int
    budget_ms: float
    device: str
    threads: int
    lowering: str
    space: str
    space_hash: str
    table: str  # file that the latencies rest on
    table_hash: str
    latency_provenance: str  # the weakest source of the best network's latency
    accuracy: str  # label of the estimator, for example `estimate (published anchors)`
    metric: str  # `miou` or `top1`
    trials: int
    evaluated: int
    fastest_ms: float  # least latency of the space
    verification: str  # in words, for example `winners re-measured on this machine`
    latency_error: str = ""  # what is known of the predictor's error, in words
    accuracy_error: str = ""  # and of the estimator's
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA


def metric_name(metric: str) -> str:
    """How a metric is written for readers."""
    return {"miou": "mIoU", "top1": "top-1"}.get(metric, metric)


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write manifest.json into the run folder, beside first and then renamed."""
    path = folder / MANIFEST
    text = json.dumps(asdict(manifest), indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")
    return path


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder. Raises InputError for a folder that is none, or one of another version."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: not a run folder (no {MANIFEST}); give a folder that `evit-nas search` wrote")
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: must hold a JSON object")
    if document.get("schema") != SCHEMA:
        raise InputError(f"{path}: run folder of version {document.get('schema')!r}; this tool reads version {SCHEMA}")
    manifest = Manifest(**_checked(document, path))
    if manifest.budget_ms <= 0:
        raise InputError(f"{path}: budget_ms: {manifest.budget_ms} is not above 0")
    return manifest


def _checked(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The fields of Manifest out of `document`, each of its type."""
    hints = get_type_hints(Manifest)
    names = {field.name for field in fields(Manifest)}
    if set(document) != names:
        odd = sorted(names ^ set(document))
        raise InputError(f"{path}: key {odd[0]!r} is {'missing' if odd[0] in names else 'unknown'}")
    return {name: _typed(document[name], hints[name], f"{path}: {name}") for name in names}


def _typed(value: Any, hint: Any, where: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # false for NaN, and for an integer that no float holds
            return float(value)
        raise InputError(f"{where}: not a finite number")
    if hint in (str, int) and isinstance(value, hint) and not isinstance(value, bool):
        return value
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_typed(item, get_args(hint)[0], where) for item in value)
    if get_origin(hint) is Mapping and isinstance(value, dict):
        return types.MappingProxyType({key: _typed(item, str, where) for key, item in value.items()})
    raise InputError(f"{where}: {repr(value)[:40]} is not of type {getattr(hint, '__name__', hint)}")
