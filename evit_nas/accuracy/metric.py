"""What the networks of a task are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Task = Literal["seg", "cls"]  # a class for each pixel, or for each image
Metric = Literal["miou", "top1"]  # in percent
METRICS: Mapping[Task, Metric] = {"seg": "miou", "cls": "top1"}
