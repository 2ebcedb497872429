"""Colours and the look that all figures share (colours tell apart in grey and to the colour-blind: Okabe and Ito)."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

INK = "#1f2933"
GRID = "#d9dee4"
FAINT = "#cfd4da"
CLOUD = "#8fb4d9"
FRONT = "#0072b2"
BEST = "#d55e00"
VERIFIED = "#009e73"
BUDGET = "#b3244b"
STAGES = ("#56b4e9", "#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#7f7f7f")


def ink_on(colour: str) -> str:
    """Dark or white text, whichever reads better on `colour` (relative luminance, ITU-R BT.709)."""
    red, green, blue = to_rgb(colour)
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "white"


def clean(axes: Axes) -> None:
    """A light grid behind, no box."""
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa5b1")
    axes.tick_params(colors=INK, labelsize=9, which="both", width=0.8)
