from __future__ import annotations

import numpy as np
import torch

from evit_nas.accuracy.data.scenes import CLASSES, HEIGHT, ROAD, SKY, WIDTH, scenes


def test_a_scene_depends_on_seed_split_and_number_alone() -> None:
    one, again, other = scenes(0), scenes(0), scenes(1)
    image = one.split("train").read(3).image
    assert torch.equal(image, again.split("train").read(3).image)
    for different in (other.split("train").read(3), one.split("val").read(3), one.split("train").read(4)):
        assert not torch.equal(image, different.image)


def test_scenes_show_every_class_and_nothing_else() -> None:
    examples = [scenes(0).split("train").read(index) for index in range(40)]
    labels = torch.stack([example.label for example in examples])
    assert labels.shape[1:] == (HEIGHT, WIDTH)
    assert labels.unique().tolist() == list(range(len(CLASSES)))


def test_image_and_label_agree() -> None:
    """The sky is bluer than the road wherever the label says so."""
    example = scenes(0).split("val").read(5)
    blueness = (example.image[2].float() - example.image[0].float()).numpy()
    label = example.label.numpy()
    assert np.mean(blueness[label == SKY]) > np.mean(blueness[label == ROAD]) + 10
