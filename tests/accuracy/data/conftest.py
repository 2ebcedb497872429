from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write an image (three channels) or a label (one) under tmp_path; a number fills it."""

    def write(name: str, content: object, size: tuple[int, int] = (6, 8), channels: int = 1) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = size if channels == 1 else (*size, channels)
        pixels = np.broadcast_to(np.asarray(content, np.uint8), shape)
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
        return path

    return write
