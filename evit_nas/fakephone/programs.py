"""All programs of the phone by name."""

from __future__ import annotations

from collections.abc import Mapping

from evit_nas.fakephone.benchmark import tool
from evit_nas.fakephone.commands import android, files, processes, text
from evit_nas.fakephone.program import Program

PROGRAMS: Mapping[str, Program] = {
    **files.PROGRAMS,
    **text.PROGRAMS,
    **processes.PROGRAMS,
    **android.PROGRAMS,
}
# run by their path only, as files that were pushed
TOOLS: Mapping[str, Program] = tool.PROGRAMS
