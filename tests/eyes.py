"""What eyes and printers make of a colour: contrast, and how far two colours lie apart for those who see fewer.

In: colours as ``#rrggbb``.  Out: numbers.

Vision: the matrices for severity 1.0 of G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based
Model for Simulation of Color Vision Deficiency", IEEE Transactions on Visualization and Computer Graphics 15(6), 2009;
they apply to linear RGB.  Distance: Euclidean in CIELAB (CIE 1976), where 2.3 is just noticed (Mahy et al., 1994).
"""
from __future__ import annotations

import math

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

LUMINANCE: Vector = (0.2126, 0.7152, 0.0722)
VISIONS: dict[str, Matrix] = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "greyscale": (LUMINANCE, LUMINANCE, LUMINANCE),
}
XYZ: Matrix = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
D65: Vector = (0.95047, 1.0, 1.08883)


def linear(colour: str) -> Vector:
    """sRGB without its gamma, 0 to 1."""
    r, g, b = (int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5))
    return tuple(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (r, g, b))  # type: ignore


def _times(matrix: Matrix, vector: Vector) -> Vector:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def lab(colour: str, vision: str = "all") -> Vector:
    """L* (0 to 100), a*, b* of `colour` as seen with one of `VISIONS`."""
    seen: Vector = tuple(min(1.0, max(0.0, v)) for v in _times(VISIONS[vision], linear(colour)))  # type: ignore
    x, y, z = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116
               for t in (v / white for v, white in zip(_times(XYZ, seen), D65, strict=True)))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(a: str, b: str, vision: str = "all") -> float:
    return math.dist(lab(a, vision), lab(b, vision))


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    dark, light = sorted(sum(w * v for w, v in zip(LUMINANCE, linear(colour), strict=True)) for colour in (a, b))
    return (light + 0.05) / (dark + 0.05)
