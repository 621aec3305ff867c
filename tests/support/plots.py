"""What the tests of `cyroi.plot` draw, and how they read the Axes."""

from __future__ import annotations

import numpy as np

from cyroi import plot

MAP = np.random.default_rng(0).normal(size=(9, 12))
RGB = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
BOX = [1.2, 2.3, 7.4, 6.1]  # x1 y1 x2 y2
NORMALISED = [0.1, 0.2, 0.8, 0.6]  # y1 x1 y2 x2
CROPS = {"operator": "crop_and_resize"}
SHOW = {
    "show_rois": lambda image, **kwargs: plot.show_rois(image, [BOX], 3, **kwargs),
    "show_sampling_points": lambda image, **kwargs: plot.show_sampling_points(image, BOX, 3, **kwargs),
    "show_aligned": plot.show_aligned,
}


def collection(ax, label):
    (found,) = [artist for artist in ax.collections if artist.get_label() == label]
    return found


def points(ax, label="sampling points"):
    """(n, 2) of y, x."""
    return np.asarray(collection(ax, label).get_offsets())[:, ::-1]


def outline(ax, label="box"):
    """y1 x1 y2 x2 of the only box."""
    (path,) = collection(ax, label).get_paths()
    (x1, y1), (x2, y2) = path.vertices[0], path.vertices[2]
    return [y1, x1, y2, x2]


def grid_lines(ax):
    """Coordinates of the horizontal and of the vertical lines."""
    segments = collection(ax, "bin grid").get_segments()
    rows = [a[1] for a, b in segments if a[1] == b[1] and a[0] != b[0]]
    columns = [a[0] for a, b in segments if a[0] == b[0] and a[1] != b[1]]
    return rows, columns


def product(y, x):
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
