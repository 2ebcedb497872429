"""Every exception that the tool raises on purpose.

EvitNasError (exit 2 unless a subclass says otherwise)
 ├─ InputError            bad input from outside: what, where, what would be valid      exit 2
 │   ├─ TableError        a latency table that cannot be read, or does not fit
 │   ├─ MissingCostError  a kernel that no source covers (missing is never zero)
 │   └─ CheckpointError   a weights file that does not fit, by key or by shape
 ├─ RuntimeUnavailable    the inference runtime lacks what was asked (symbol, library)  exit 2
 ├─ CheckFailed           a check of the result failed, for example export parity       exit 1
 ├─ Infeasible            the budget cannot be met                                      exit 3
 └─ DeviceError           a device problem: which one, what failed, what to do          exit 4
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EvitNasError(Exception):
    """Base of all. `str(error)` is the one line that the user sees."""

    exit_code = 2


class InputError(EvitNasError):
    """Bad input from outside."""


class TableError(InputError):
    """A latency table that cannot be read or does not fit what was asked."""


class MissingCostError(InputError):
    """A kernel without a cost in any source: an error, never 0 ms."""


class CheckpointError(InputError):
    """A weights file that does not fit the architecture."""


class RuntimeUnavailable(EvitNasError):
    """The inference runtime cannot do what was asked."""


class CheckFailed(EvitNasError):
    """A result was produced and did not pass its check."""

    exit_code = 1


class Infeasible(EvitNasError):
    """No member of the space meets the budget."""

    exit_code = 3


class DeviceError(EvitNasError):
    """A device could not be used."""

    exit_code = 4


def nearest(word: str, valid: Iterable[str]) -> str:
    """A phrase that names the valid key nearest to `word`, or all of them."""
    options = sorted(valid)
    close = difflib.get_close_matches(word, options, n=1)
    return f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(options)}"
