"""A space cut down to what an accuracy source has evidence on."""

from __future__ import annotations

from dataclasses import replace

from evit_nas.errors import InputError, nearest
from evit_nas.space.dimension import GROUPS, Dimension, SpaceSpec


def restricted(spec: SpaceSpec, evidence: frozenset[str]) -> SpaceSpec:
    """`spec` with every dimension whose group is not in `evidence` fixed to its official values.

    One value for most (expand 4, kernel 3, scales [5], hswish, bilinear, attention in stages 3 and 4). Where the
    family itself varies (widths, depths, the head's width and depth, head dim 16 or 32) the values of the space's
    members stay. Raises InputError for an unknown group, and where a dimension lacks its official value.
    """
    for group in sorted(evidence):
        if group not in GROUPS:
            raise InputError(f"space {spec.name}: no dimension group {group!r}; {nearest(group, GROUPS)}")
    dimensions = [_fixed(spec, item) if item.group not in evidence else item for item in spec.dimensions]
    return _without_idle_head_dims(replace(spec, dimensions=tuple(dimensions)))


def _fixed(spec: SpaceSpec, dimension: Dimension) -> Dimension:
    if not dimension.official:
        raise InputError(
            f"space {spec.name}: {dimension.name} has no official value among its choices "
            f"({', '.join(map(str, dimension.choices))}) and the accuracy source has no evidence on {dimension.group!r}"
        )
    return _keep(dimension, dimension.official)


def _keep(dimension: Dimension, indices: tuple[int, ...]) -> Dimension:
    official = tuple(new for new, old in enumerate(indices) if old in dimension.official)
    return replace(dimension, choices=tuple(dimension.choices[i] for i in indices), official=official)


def _without_idle_head_dims(spec: SpaceSpec) -> SpaceSpec:
    """Leave out head dims that no longer divide any width of a stage with attention."""
    widths = [item.choices for item in spec.dimensions if item.name in {f"stage{i}.width" for i in spec.aligned}]
    dimensions = []
    for item in spec.dimensions:
        if item.name == "head_dim":
            useful = [all(any(_divides(dim, width) for width in stage) for stage in widths) for dim in item.choices]
            if not any(useful):
                raise InputError(f"space {spec.name}: no head_dim goes with the official widths")
            item = _keep(item, tuple(i for i, keep in enumerate(useful) if keep))
        dimensions.append(item)
    return replace(spec, dimensions=tuple(dimensions))


def _divides(dim: object, width: object) -> bool:
    return isinstance(dim, int) and isinstance(width, int) and width % dim == 0
