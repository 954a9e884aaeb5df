"""The kinds of odd pictures, and one of any of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from simulators.odd_pictures import drawn, signals, surfaces
from simulators.odd_pictures.photographs import FITTED, photograph

Grey = npt.NDArray[np.float32]
Draw = Callable[[np.random.Generator, tuple[int, int]], Grey]

PHOTOGRAPH = "photograph"
ODD: dict[str, Draw] = {
    "plot": drawn.plot, "page": drawn.page, "slide": drawn.slide, "bar code": drawn.bar_code, "grid": drawn.grid,
    "orientation map": drawn.orientation_map, "info bar": drawn.bar_alone,
    "noise": signals.noise, "band noise": signals.band_noise, "gradient": signals.gradient, "fringes": signals.fringes,
    "diffraction": signals.diffraction,
    "fibres": surfaces.fibres, "particles": surfaces.particles, "pattern": surfaces.pattern, "foam": surfaces.foam,
    "cells": surfaces.cells, "film": surfaces.film, "tip": surfaces.tip,
    PHOTOGRAPH: photograph,
}  # fmt: skip
"""How each kind is drawn."""
SHARES = {kind: 4.0 if kind == PHOTOGRAPH else 0.5 if kind in {"info bar", "gradient"} else 1.0 for kind in ODD}
"""How often each is met, before they are scaled to 1: photographs differ the most among themselves."""


def odd_picture(
    rng: np.random.Generator,
    shape: tuple[int, int],
    kind: str | None = None,
    photographs: tuple[str, ...] = FITTED,
) -> Grey:
    """One picture that is no measurable section, float32 of the shape, 0 to 1.

    Args:
        rng: source of every random choice.
        shape: rows and columns.
        kind: one of ``ODD``; None draws it.
        photographs: which of them may be taken.

    Raises:
        ConfigError: the kind is unknown.
    """
    if kind is None:
        shares = np.array([SHARES[name] for name in ODD])
        kind = list(ODD)[int(rng.choice(len(shares), p=shares / shares.sum()))]
    if kind == PHOTOGRAPH:
        return photograph(rng, shape, photographs)
    if kind not in ODD:
        raise ConfigError("kind", kind, f"one of {', '.join(ODD)}")
    return ODD[kind](rng, shape)
