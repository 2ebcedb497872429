"""The page: self-contained, complete, escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from evit_nas.report.html import render_page, write_report
from evit_nas.report.run_data import RunData

FIGURES = {"pareto_latency": b"<svg/>", "pareto_macs": b"<svg/>"}


class Links(HTMLParser):
    """Every src and href, and the open tags at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Links:
    links = Links()
    links.feed(page)
    return links


def test_page_needs_no_network_and_closes_its_tags(run: RunData, tmp_path: Path) -> None:
    links = parsed(render_page(run, tmp_path, FIGURES))
    assert links.open == []
    assert not [
        t
        for t in links.targets
        if not t.startswith(("data:image/svg+xml;base64,", "networks/", "evaluated.csv", "pareto.csv"))
    ]


def test_page_says_what_the_numbers_rest_on(run: RunData, tmp_path: Path) -> None:
    page = render_page(run, tmp_path, FIGURES)
    best = run.winners[0]
    for text in (
        f"{best.value:.2f}",
        f"{best.low:.2f} to {best.high:.2f}",
        "estimate (published anchors)",
        "calibrated",
        "70 / 25 / 5",
        "stage 3 is 80 wide",
        "Not verified: sm8450: no phone of this chip is attached",
        "evit-nas search --budget 200ms --device sm8450",
        f"evit-nas export {tmp_path}/networks/01.yaml --format tflite,onnx,pt",
        "leave one network out: 0.6 points",
    ):
        assert text in page, text


def test_measured_and_missed_networks_are_marked(run: RunData, tmp_path: Path) -> None:
    missed = replace(
        run.winners[0],
        verified_ms=215.0,
        verified_low_ms=214.0,
        verified_high_ms=216.0,
        verified_provenance="measured",
        missed_budget=True,
    )
    kept = replace(
        run.winners[1],
        verified_ms=196.4,
        verified_low_ms=196.0,
        verified_high_ms=197.0,
        verified_provenance="simulated",
    )
    page = render_page(replace(run, winners=(missed, kept)), tmp_path, FIGURES)
    assert "measured 215.0 ms" in page
    assert "simulated 196.4 ms" in page
    assert page.count("misses the budget") == 1
    assert f"export {tmp_path}/networks/02.yaml" in page, "the network that missed is not the best one"


def test_text_from_outside_is_escaped(run: RunData, tmp_path: Path) -> None:
    odd = replace(run, manifest=replace(run.manifest, command="<script>alert(1)</script>", notes=("<b>x</b>",)))
    page = render_page(odd, tmp_path, FIGURES)
    assert "<script" not in page
    assert "<b>x</b>" not in page


def test_page_without_winners_says_so(run: RunData, tmp_path: Path) -> None:
    page = render_page(replace(run, winners=()), tmp_path, FIGURES)
    assert "no network met the budget" in page
    assert "evit-nas export" not in page


def test_write_report_returns_the_page_first(run: RunData, tmp_path: Path) -> None:
    files = write_report(run, tmp_path)
    assert files[0] == tmp_path / "report.html"
    assert all(path.is_file() for path in files)
    assert len(re.findall("data:image/svg", files[0].read_text())) == 3
