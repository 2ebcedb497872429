"""The command line: one thin command per verb, and the one place where errors become exit codes.

Commands import their workflow when they run, so that `--help` answers without numpy, torch, optuna and the rest.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from evit_nas.cli import (
    arch,
    data,
    devices,
    evaluate,
    export,
    fake_phone,
    measure,
    predict,
    profile,
    report,
    search,
    space,
    supernet,
    tables,
    train,
)
from evit_nas.errors import EvitNasError

INTERRUPTED = 130
INTERNAL = 70  # EX_SOFTWARE: a fault of this tool, not of the input

app = typer.Typer(
    help="Search EfficientViT networks under a latency budget, measure them and export them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (devices, space, arch, profile, predict, measure, search, report, export, train, evaluate, fake_phone):
    app.command(module.NAME)(module.command)
app.add_typer(tables.app, name=tables.NAME)
app.add_typer(data.app, name=data.NAME)
app.add_typer(supernet.app, name=supernet.NAME)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib import metadata

        print(f"evit-nas {metadata.version('evit-nas')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Every error is one line on stderr, without a traceback."""
    try:
        code = get_command(app).main(list(argv), prog_name="evit-nas", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except EvitNasError as error:
        return _fail(str(error), error.exit_code, error)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _fail("interrupted; finished work is kept", INTERRUPTED, error)
    except typer.TyperException as error:
        return _fail(_usage(error), 2, error)
    except OSError as error:
        return _fail(_system(error), 2, error)
    except Exception as error:
        text = (
            f"internal error: {type(error).__name__}: {error} (set EVIT_NAS_DEBUG=1 for the traceback, and report it)"
        )
        return _fail(text, INTERNAL, error)


def _fail(text: str, code: int, error: BaseException) -> int:
    if os.environ.get("EVIT_NAS_DEBUG"):
        traceback.print_exception(error)
    print(f"evit-nas: {' '.join(text.split())}", file=sys.stderr)
    return code


def _usage(error: typer.TyperException) -> str:
    """Typer's own sentence and where to read more."""
    formatted = getattr(error, "format_message", None)
    sentence = (formatted() if formatted else str(error)).replace("Value error, ", "") or "a command is missing"
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "evit-nas"
    return f"{sentence.rstrip('.')}; see `{path} --help`"


def _system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        return f"{where}{what}; free some space or choose another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}{what}; choose a folder that this user can read and write"
    return f"{where}{what}"
