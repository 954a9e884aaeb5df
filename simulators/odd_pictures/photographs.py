"""Photographs, real ones that lie in the installed packages, cut, scaled and toned at random.

Which of them are for fitting and which for judging is fixed by picture, so that no judgement meets a known one.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from envs.errors import UserError

Grey = npt.NDArray[np.float32]
Shape = tuple[int, int]

FITTED = (
    "skimage/data/astronaut.png", "skimage/data/camera.png", "skimage/data/chelsea.png", "skimage/data/brick.png",
    "skimage/data/grass.png", "skimage/data/coins.png", "skimage/data/moon.png", "skimage/data/text.png",
    "skimage/data/motorcycle_left.png", "skimage/data/ihc.png", "skimage/data/horse.png", "skimage/data/color.png",
    "sklearn/datasets/images/flower.jpg",
)  # fmt: skip
"""Fitted on."""
JUDGED = (
    "skimage/data/coffee.png", "skimage/data/rocket.jpg", "skimage/data/gravel.png", "skimage/data/page.png",
    "skimage/data/hubble_deep_field.jpg", "skimage/data/retina.jpg", "skimage/data/cell.png",
    "skimage/data/clock_motion.png", "skimage/data/logo.png", "sklearn/datasets/images/china.jpg",
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
)  # fmt: skip
"""Judged on, never fitted on."""
SMALLEST_SIDE = 128
"""Pixels of a photograph's cut, before it is scaled to the wanted shape."""


def photograph(rng: np.random.Generator, shape: Shape, names: tuple[str, ...] = FITTED) -> Grey:
    """A cut out of one of the photographs, float32 of the shape, 0 to 1.

    Raises:
        UserError: an installed package lacks the picture.
    """
    whole = _loaded(str(rng.choice(names)))
    if rng.random() < 0.5:
        whole = whole[:, ::-1]
    height, width = whole.shape
    # The cut has the wanted proportions and is at least a part that shows something.
    most = min(height / shape[0], width / shape[1])
    least = min(most, SMALLEST_SIDE / min(shape))
    scale = float(np.exp(rng.uniform(np.log(max(0.4 * most, least)), np.log(most))))
    rows, columns = (max(round(scale * n), 16) for n in shape)
    top, left = (
        int(rng.integers(0, max(have - need, 0) + 1)) for have, need in zip(whole.shape, (rows, columns), strict=True)
    )
    cut = whole[top : top + rows, left : left + columns]
    picture = np.asarray(Image.fromarray(cut).resize((shape[1], shape[0]), Image.Resampling.BICUBIC), dtype=np.float32)
    picture = picture / np.float32(255.0)
    spread = float(rng.uniform(0.5, 1.4))
    picture = np.float32(0.5) + np.float32(spread) * (picture - np.float32(0.5)) + np.float32(rng.uniform(-0.1, 0.1))
    if rng.random() < 0.3:
        picture = ndimage.gaussian_filter(picture, float(rng.uniform(0.4, 1.2)))
    noisy = picture + rng.normal(0.0, float(rng.uniform(0.0, 0.05)), shape)
    return np.clip(noisy, 0.0, 1.0).astype(np.float32)


@cache
def _loaded(name: str) -> npt.NDArray[np.uint8]:
    """Grey levels of one picture, uint8 (H, W)."""
    package, _, inside = name.partition("/")
    spec = find_spec(package)
    path = Path((spec.submodule_search_locations or ["."])[0]) / inside if spec is not None else Path(inside)
    if not path.is_file():
        raise UserError(f"{path}: the picture that {package} brings is missing; install labwright[lab] again")
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").convert("L"), dtype=np.uint8)
