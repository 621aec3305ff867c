"""What is left of an operator's arguments once they are checked, maps, boxes and results apart."""

from __future__ import annotations

from typing import NamedTuple


class Sampling(NamedTuple):
    """Where an operator samples: its convention, one of _separable's, and what that heeds."""

    convention: int
    spatial_scale: float = 1.0
    sampling_ratio: int = 0
    aligned: bool = False
    snap_edges: bool = False
