"""Hardware-aware architecture search and latency modelling for EfficientViT (multi-scale linear attention).

Every verb of the command line is one function here under the same name and with the same defaults, for example
`evit_nas.search(budget_ms=200, device="host")`; each returns a typed result whose fields are the keys of `--json`
(evit_nas/workflows/results.py). Nothing heavy is imported before a verb is called.

Four verbs share their name with a room of the package (`space`, `search`, `report`, `export`): that module is the room
and, called, the verb.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import inspect

    from evit_nas.workflows.arch import arch as arch
    from evit_nas.workflows.data import data_check as data_check
    from evit_nas.workflows.devices import devices as devices
    from evit_nas.workflows.evaluate import evaluate as evaluate
    from evit_nas.workflows.export import export as export
    from evit_nas.workflows.measure import measure as measure
    from evit_nas.workflows.predict import predict as predict
    from evit_nas.workflows.profile import profile as profile
    from evit_nas.workflows.report import report as report
    from evit_nas.workflows.search import search as search
    from evit_nas.workflows.space import space as space
    from evit_nas.workflows.supernet import supernet_evaluate as supernet_evaluate
    from evit_nas.workflows.supernet import supernet_extract as supernet_extract
    from evit_nas.workflows.supernet import supernet_train as supernet_train
    from evit_nas.workflows.supernet_score import supernet_score as supernet_score
    from evit_nas.workflows.tables import tables as tables
    from evit_nas.workflows.tables import tables_calibrate as tables_calibrate
    from evit_nas.workflows.tables import tables_diff as tables_diff
    from evit_nas.workflows.tables import tables_merge as tables_merge
    from evit_nas.workflows.tables import tables_validate as tables_validate
    from evit_nas.workflows.train import train as train

_VERBS = {
    "devices": "devices",
    "tables": "tables",
    "tables_diff": "tables",
    "tables_validate": "tables",
    "tables_merge": "tables",
    "tables_calibrate": "tables",
    "space": "space",
    "arch": "arch",
    "profile": "profile",
    "predict": "predict",
    "measure": "measure",
    "search": "search",
    "report": "report",
    "export": "export",
    "data_check": "data",
    "train": "train",
    "evaluate": "evaluate",
    "supernet_train": "supernet",
    "supernet_evaluate": "supernet",
    "supernet_extract": "supernet",
    "supernet_score": "supernet_score",
}
_ROOM_VERBS = ("space", "search", "report", "export")

__all__ = list(_VERBS)


def _verb(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(import_module(f"evit_nas.workflows.{_VERBS[name]}"), name)
    return function


class _Room(ModuleType):
    """A room of the package that is also a verb: calling the module calls the verb."""

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect

        return inspect.signature(_verb(self.__name__.rpartition(".")[2]))

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _verb(self.__name__.rpartition(".")[2])(*args, **options)


for _name in _ROOM_VERBS:
    import_module(f"{__name__}.{_name}").__class__ = _Room


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("evit-nas")
    if name in _VERBS:
        return _verb(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_VERBS, "__version__", *vars(sys.modules[__name__])])
