"""Digits as somebody draws them with a mouse, as pointer strokes; not the page's own samples."""

import numpy as np

Stroke = list[tuple[float, float]]

_CORNERS: dict[int, list[Stroke]] = {
    0: [[(0.52, 0.2), (0.36, 0.3), (0.32, 0.5), (0.38, 0.72), (0.5, 0.8), (0.64, 0.7), (0.68, 0.5),
         (0.63, 0.28), (0.52, 0.2)]],
    1: [[(0.52, 0.18), (0.5, 0.5), (0.49, 0.82)]],
    2: [[(0.34, 0.34), (0.4, 0.22), (0.54, 0.19), (0.64, 0.28), (0.6, 0.44), (0.46, 0.62),
         (0.33, 0.78), (0.5, 0.76), (0.7, 0.77)]],
    3: [[(0.36, 0.24), (0.5, 0.18), (0.62, 0.27), (0.56, 0.42), (0.46, 0.48), (0.6, 0.52),
         (0.66, 0.66), (0.54, 0.8), (0.36, 0.76)]],
    4: [[(0.42, 0.18), (0.36, 0.36), (0.33, 0.52), (0.5, 0.53), (0.7, 0.52)],
        [(0.6, 0.3), (0.59, 0.55), (0.57, 0.84)]],
    5: [[(0.66, 0.2), (0.42, 0.21), (0.39, 0.45), (0.52, 0.43), (0.64, 0.53), (0.63, 0.7),
         (0.5, 0.8), (0.34, 0.75)]],
    6: [[(0.58, 0.17), (0.44, 0.34), (0.36, 0.56), (0.4, 0.76), (0.54, 0.81), (0.64, 0.7),
         (0.58, 0.57), (0.44, 0.58), (0.38, 0.68)]],
    7: [[(0.33, 0.22), (0.5, 0.22), (0.68, 0.21), (0.58, 0.45), (0.48, 0.82)]],
    8: [[(0.6, 0.27), (0.48, 0.18), (0.38, 0.28), (0.48, 0.43), (0.62, 0.6), (0.58, 0.77),
         (0.44, 0.8), (0.36, 0.68), (0.46, 0.52), (0.6, 0.38), (0.6, 0.27)]],
    9: [[(0.63, 0.3), (0.52, 0.2), (0.39, 0.26), (0.38, 0.42), (0.5, 0.48), (0.62, 0.4),
         (0.64, 0.28), (0.63, 0.55), (0.58, 0.82)]],
}  # fmt: skip


def strokes_of(digit: int, points: int = 40) -> list[Stroke]:
    """The digit's strokes, smoothed through their corners and sampled evenly along the way."""
    return [_smooth(np.array(corners), points) for corners in _CORNERS[digit]]


def _smooth(corners: np.ndarray, points: int) -> Stroke:
    """A Catmull-Rom spline through the corners."""
    p = np.concatenate([2 * corners[:1] - corners[1:2], corners, 2 * corners[-1:] - corners[-2:-1]])
    at = np.linspace(0, len(corners) - 1 - 1e-9, points)
    i, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    curve = b + t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))) / 2
    return [(float(x), float(y)) for x, y in curve]
