"""Labels of points that overlap neither each other nor the points: each takes the best free place around its point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

_SIDES = ((1, 0), (0, 1), (1, -1), (1, 1), (-1, 1), (0, -1), (-1, -1), (-1, 0))
_PLACES = tuple((reach * dx, reach * dy) for reach in (7, 14, 24, 36, 50) for dx, dy in _SIDES)  # points
_KEEP_FREE = 4.0  # pixels around a point or a bar that labels do not enter
_POINTS_PER_INCH = 72.0

Bar = tuple[float, float, float, float]  # x0, y0, x1, y1 in data coordinates


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """Text beside the point (x, y), in data coordinates."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool = False


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], bars: Sequence[Bar] = ()) -> list[Annotation]:
    """Draw the labels, the first ones nearest to their points; a far one gets a thin line to its point.

    `bars` are drawn already and kept free, as the legend is. The layout of the figure is final after this.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    taken = [_pixels(axes, (b.x, b.y, b.x, b.y)) for b in labels] + [_pixels(axes, bar) for bar in bars]
    legend = axes.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent())
    return [_place(figure, axes, label, taken) for label in labels]


def _pixels(axes: Axes, bar: Bar) -> Bbox:
    """The box of a bar on the canvas, with its free margin."""
    return Bbox(axes.transData.transform(((bar[0], bar[1]), (bar[2], bar[3])))).padded(_KEEP_FREE)


def _place(figure: Figure, axes: Axes, label: Label, taken: list[Bbox]) -> Annotation:
    note = axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(0, 0),
        textcoords="offset points",
        color=label.colour,
        fontsize=8.5,
        fontweight="bold" if label.bold else "normal",
        zorder=6,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
        arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
    )
    size = Text.get_window_extent(note)
    x, y = axes.transData.transform((label.x, label.y))
    boxes = {place: _box((x, y), place, size, figure.dpi / _POINTS_PER_INCH) for place in _PLACES}
    inside = axes.get_window_extent()
    best = min(_PLACES, key=lambda place: _cost(boxes[place], place, taken, inside))
    taken.append(boxes[best])
    _move(note, best)
    return note


def _box(anchor: tuple[float, float], place: tuple[int, int], size: Bbox, scale: float) -> Bbox:
    """Where text of this size lies on the canvas when its near side is `place` points from the anchor."""
    dx, dy = place
    x = anchor[0] + dx * scale - (0 if dx > 0 else size.width if dx < 0 else size.width / 2)
    y = anchor[1] + dy * scale - (0 if dy > 0 else size.height if dy < 0 else size.height / 2)
    return Bbox.from_bounds(x, y, size.width, size.height)


def _cost(box: Bbox, place: tuple[int, int], taken: Sequence[Bbox], inside: Bbox) -> float:
    """Pixels of overlap and of what sticks out, then the distance."""
    overlap = sum(_area(box, other) for other in taken)
    outside = box.width * box.height - _area(box, inside)
    return 100 * (overlap + outside) + abs(place[0]) + abs(place[1])


def _move(note: Annotation, place: tuple[int, int]) -> None:
    dx, dy = place
    note.set_position(place)
    note.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
    note.set_verticalalignment("bottom" if dy > 0 else "top" if dy < 0 else "center")
    if note.arrow_patch is not None:
        note.arrow_patch.set_visible(max(abs(dx), abs(dy)) > _PLACES[0][0])


def _area(a: Bbox, b: Bbox) -> float:
    both = Bbox.intersection(a, b)
    return 0.0 if both is None else float(both.width * both.height)
