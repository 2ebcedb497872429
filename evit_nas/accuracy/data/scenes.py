"""Street scenes that the tool draws itself: free of rights, never the same twice, the same for the same seed.

They serve tests and the demo: a network that learns them segments something recognisable within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

from evit_nas.accuracy.data.dataset import Dataset, Example
from evit_nas.errors import InputError

CLASSES = ("sky", "building", "ground", "road", "tree", "vehicle", "person")
SKY, BUILDING, GROUND, ROAD, TREE, VEHICLE, PERSON = range(len(CLASSES))
HEIGHT, WIDTH = 128, 192
SIZES = {"train": 800, "val": 100}
_SPLIT_SEED = {"train": 1, "val": 2}

Colour = tuple[int, int, int]


def scenes(seed: int = 0) -> Dataset:
    """The data set: 800 scenes to learn from and 100 to judge by, 128 x 192 pixels, 7 classes."""
    splits = {name: SceneSplit(seed=(seed, _SPLIT_SEED[name]), size=size) for name, size in SIZES.items()}
    return Dataset(name="scenes", classes=CLASSES, splits=splits)


@dataclass(frozen=True, kw_only=True)
class SceneSplit:
    """Scenes by number."""

    seed: tuple[int, int]
    size: int

    def __len__(self) -> int:
        return self.size

    def name(self, index: int) -> str:
        return f"scene {index}"

    def label(self, index: int) -> torch.Tensor:
        return self.read(index).label

    def read(self, index: int) -> Example:
        if not 0 <= index < self.size:
            raise InputError(f"scene {index}: valid are 0 .. {self.size - 1}")
        canvas = Canvas(np.random.default_rng((*self.seed, index)))
        canvas.draw()
        return Example(name=self.name(index), image=canvas.image(), label=canvas.label())


class Canvas:
    """One scene: every shape is drawn into the image and into the label at once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.colours = Image.new("RGB", (WIDTH, HEIGHT))
        self.classes = Image.new("L", (WIDTH, HEIGHT))
        self._pens = ImageDraw.Draw(self.colours), ImageDraw.Draw(self.classes)
        self.horizon = int(rng.integers(HEIGHT * 2 // 5, HEIGHT * 3 // 5))

    def draw(self) -> None:
        """Back to front: sky, ground, buildings, road, trees, then what stands on the road."""
        self.polygon(SKY, (125, 165, 215), [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)])
        self.polygon(GROUND, (110, 125, 80), [(0, self.horizon), (WIDTH, self.horizon), (WIDTH, HEIGHT), (0, HEIGHT)])
        for _ in range(int(self.rng.integers(2, 7))):
            self.building()
        self.road()
        for _ in range(int(self.rng.integers(1, 6))):
            self.tree()
        for _ in range(int(self.rng.integers(1, 5))):
            self.vehicle()
        for _ in range(int(self.rng.integers(0, 4))):
            self.person()

    def building(self) -> None:
        width, height = self.rng.integers(20, 60), self.rng.integers(15, self.horizon)
        left = int(self.rng.integers(-10, WIDTH))
        base = self.horizon + int(self.rng.integers(0, 8))
        self.box(BUILDING, (150, 120, 105), left, base - int(height), left + int(width), base)
        for x in range(left + 4, left + int(width) - 4, 9):  # windows: texture, not another class
            for y in range(base - int(height) + 4, base - 8, 11):
                self._pens[0].rectangle((x, y, x + 3, y + 5), fill=(60, 70, 90))

    def road(self) -> None:
        far, half = self.rng.uniform(0.2, 0.8) * WIDTH, self.rng.uniform(3, 14)
        left, right = self.rng.uniform(-0.5, 0.3) * WIDTH, self.rng.uniform(0.7, 1.5) * WIDTH
        top = (far - half, self.horizon), (far + half, self.horizon)
        self.polygon(ROAD, (95, 95, 100), [top[0], top[1], (right, HEIGHT), (left, HEIGHT)])
        middle = (left + right) / 2
        self._pens[0].line([(far, self.horizon), (middle, HEIGHT)], fill=(225, 225, 215), width=2)

    def tree(self) -> None:
        x, base = self.place()
        size = self.near(base) * self.rng.uniform(14, 26)
        self.box(TREE, (90, 65, 45), x - size / 12, base - size * 1.4, x + size / 12, base)
        self.ellipse(TREE, (55, 105, 50), x - size / 2, base - size * 1.9, x + size / 2, base - size * 0.7)

    def vehicle(self) -> None:
        x, base = self.place()
        size = self.near(base) * self.rng.uniform(14, 24)
        tint = int(self.rng.integers(0, 3))
        colour = ((190, 50, 45), (55, 80, 170), (215, 215, 220))[tint]
        self.box(VEHICLE, colour, x - size, base - size * 0.7, x + size, base)
        self.box(VEHICLE, colour, x - size * 0.6, base - size * 1.2, x + size * 0.6, base - size * 0.6)
        self._pens[0].rectangle(
            (x - size * 0.5, base - size * 1.1, x + size * 0.5, base - size * 0.75), fill=(40, 50, 60)
        )

    def person(self) -> None:
        x, base = self.place()
        size = self.near(base) * self.rng.uniform(16, 24)
        self.box(PERSON, (150, 60, 130), x - size / 7, base - size * 0.8, x + size / 7, base)
        self.ellipse(PERSON, (220, 175, 150), x - size / 9, base - size, x + size / 9, base - size * 0.78)

    def place(self) -> tuple[float, float]:
        """A point on the ground."""
        return float(self.rng.uniform(0, WIDTH)), float(self.rng.uniform(self.horizon + 4, HEIGHT - 2))

    def near(self, base: float) -> float:
        """How large things are that stand at row `base`: the lower in the image, the nearer."""
        return 0.5 + 1.2 * (base - self.horizon) / (HEIGHT - self.horizon)

    def tinted(self, colour: Colour) -> Colour:
        red, green, blue = (int(np.clip(c + self.rng.integers(-22, 23), 0, 255)) for c in colour)
        return red, green, blue

    def polygon(self, kind: int, colour: Colour, points: list[tuple[float, float]]) -> None:
        self._pens[0].polygon(points, fill=self.tinted(colour))
        self._pens[1].polygon(points, fill=kind)

    def box(self, kind: int, colour: Colour, left: float, top: float, right: float, bottom: float) -> None:
        self._pens[0].rectangle((left, top, right, bottom), fill=self.tinted(colour))
        self._pens[1].rectangle((left, top, right, bottom), fill=kind)

    def ellipse(self, kind: int, colour: Colour, left: float, top: float, right: float, bottom: float) -> None:
        self._pens[0].ellipse((left, top, right, bottom), fill=self.tinted(colour))
        self._pens[1].ellipse((left, top, right, bottom), fill=kind)

    def image(self) -> torch.Tensor:
        """uint8 [3, H, W] with light and noise over it, so that colour alone does not give the class away."""
        pixels = np.asarray(self.colours).astype(np.float32)
        light = self.rng.uniform(0.6, 1.2) * np.linspace(1.0, self.rng.uniform(0.75, 1.25), WIDTH)[None, :, None]
        noisy = pixels * light + self.rng.normal(0.0, 9.0, pixels.shape)
        return torch.from_numpy(np.clip(noisy, 0, 255).astype(np.uint8)).permute(2, 0, 1)

    def label(self) -> torch.Tensor:
        return torch.from_numpy(np.asarray(self.classes).copy())
