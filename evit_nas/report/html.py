"""The page of a run: one HTML file with its figures inside, readable without a network."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from evit_nas.files import write_text
from evit_nas.report.figures import write_figures
from evit_nas.report.manifest import metric_name
from evit_nas.report.run_data import Reference, RunData, Winner

PAGE = "report.html"

_CAPTIONS = {
    "pareto_latency": "Latency against {metric}. Dots are evaluated networks; the staircase is the front of the lower "
    "bounds, which the search maximises; numbers are the rows of the table below.",
    "pareto_macs": "The same networks by MACs (official convention: convolutions, linear layers, attention).",
    "breakdown": "Where the time of the best networks goes, by stage.",
}


def write_report(run: RunData, folder: Path) -> tuple[Path, ...]:
    """Draw the figures of a run (PNG and SVG) and its page into the run folder. Returns the files, the page first."""
    files = write_figures(run, folder)
    vectors = {path.stem: path.read_bytes() for path in files if path.suffix == ".svg"}
    page = folder / PAGE
    write_text(page, render_page(run, folder, vectors))
    return (page, *files)


def render_page(run: RunData, folder: Path, figures: Mapping[str, bytes]) -> str:
    """The page as text. `figures`: stem -> SVG. All that comes from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("evit_nas.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    manifest = run.manifest
    winners = [_winner(w) for w in run.winners]
    kept = next((row for row in winners if not row["missed"]), None)
    return environment.get_template("page.html").render(
        page=_page(run, folder.absolute(), kept),
        manifest=manifest,
        best=kept,
        winners=winners,
        references=[_reference(r) for r in run.references],
        figures=[_figure(stem, svg, metric_name(manifest.metric)) for stem, svg in figures.items()],
    )


def _page(run: RunData, folder: Path, best: Mapping[str, Any] | None) -> dict[str, str]:
    manifest = run.manifest
    return {
        "title": f"EfficientViT within {manifest.budget_ms:g} ms on {manifest.device}",
        "metric": metric_name(manifest.metric),
        "when": manifest.created_at[:16].replace("T", " ") + " UTC",
        "verification": manifest.verification[:1].upper() + manifest.verification[1:],
        "folder": shlex.quote(str(folder)),
        "best_file": shlex.quote(str(folder / best["arch_file"])) if best else "",
        "export_folder": shlex.quote(str(folder / "export")),
    }


def _figure(stem: str, svg: bytes, metric: str) -> dict[str, str]:
    caption = _CAPTIONS[stem].format(metric=metric)
    return {"data": base64.b64encode(svg).decode("ascii"), "caption": caption, "alt": caption}


def _winner(winner: Winner) -> dict[str, Any]:
    shares = (winner.measured, winner.interpolated, winner.extrapolated)
    return {
        "rank": winner.rank,
        "resolution": winner.resolution,
        "arch_file": winner.arch_file,
        "value": f"{winner.value:.2f}",
        "low": f"{winner.low:.2f}",
        "high": f"{winner.high:.2f}",
        "latency": f"{winner.latency_ms:.1f}",
        "latency_low": f"{winner.latency_low_ms:.1f}",
        "latency_high": f"{winner.latency_high_ms:.1f}",
        "macs": f"{winner.macs / 1e9:.2f}",
        "params": f"{winner.params / 1e6:.2f}",
        "coverage": " / ".join(f"{100 * share:.0f}" for share in shares),
        "provenance": winner.provenance,
        "verified": _verified(winner),
        "verified_range": _range(winner.verified_low_ms, winner.verified_high_ms),
        "missed": winner.missed_budget,
        "departures": winner.departures,
    }


def _verified(winner: Winner) -> str:
    if winner.verified_ms is None:
        return winner.verification
    return f"{winner.verified_provenance} {winner.verified_ms:.1f} ms"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.1f} to {high:.1f}"


def _reference(reference: Reference) -> dict[str, str]:
    return {
        "name": reference.name,
        "resolution": reference.resolution,
        "kind": reference.kind,
        "value": "" if reference.value is None else f"{reference.value:.2f}",
        "latency": "" if reference.latency_ms is None else f"{reference.latency_ms:.1f}",
        "macs": f"{reference.macs / 1e9:.2f}",
    }
