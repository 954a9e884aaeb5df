"""Folders of labelled images to judge a reader on: what is described is read, and what is wrong is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent.evaluate_real import labelled_intercept, real_figures, scores, seen
from agent.evaluate_sets import real_sets
from agent.evaluate_watch import Watch
from envs.errors import UserError
from surrogates.micrograph_reader import MicrographReader


def _grid(edge: int = 128, cell: int = 16) -> np.ndarray:
    """Square grains: lines, one pixel wide, around each."""
    lines = np.zeros((edge, edge), dtype=np.uint8)
    lines[cell - 1 :: cell] = 255
    lines[:, cell - 1 :: cell] = 255
    return lines


def _folder(root: Path, number: int = 2) -> Path:
    root.mkdir(exist_ok=True)
    for k in range(number):
        lines = _grid()
        rng = np.random.default_rng(k)
        image = np.clip(np.where(lines > 0, 60, 180) + rng.normal(0.0, 6.0, lines.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / f"steel{k}.png")
        Image.fromarray(lines).save(root / f"steel{k}_mask.png")
    (root / "classes.toml").write_text('255 = "boundary"\n')
    return root


def test_a_plain_folder_is_one_set(tmp_path: Path) -> None:
    (only,) = real_sets(_folder(tmp_path / "steel"))
    assert (only.name, only.channels, len(only.images), only.learn) == ("steel", ("boundary",), 2, (1,))


def test_a_description_names_sets_and_their_scale(tmp_path: Path) -> None:
    _folder(tmp_path / "steel")
    (tmp_path / "evaluate.toml").write_text(
        '[[set]]\nname = "one"\nimages = ["steel/steel0.png"]\nmasks = ["steel/steel0_mask.png"]\n'
        'labels = "255=boundary"\npixel_size = 0.5\n\n[[set]]\nname = "all"\nfolder = "steel"\nlearn = [1]\n'
    )
    one, both = real_sets(tmp_path)
    assert (one.pixel_size, len(one.images), one.learn) == (0.5, 1, ())
    assert (len(both.images), both.learn) == (2, (1,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[set]]\nname = "x"\nfolder = "steel"\ncolour = 1\n', "set.0.colour"),
        ('[[set]]\nname = "x"\n', "either a folder, or as many images as masks"),
        ('[[set]]\nname = "x"\nfolder = "steel"\nlearn = [2]\n', "of 2 images, 1 to 1 can be learnt"),
        ("[[set]", "cannot be read"),
    ],
)
def test_a_wrong_description_is_told(tmp_path: Path, text: str, message: str) -> None:
    _folder(tmp_path / "steel")
    (tmp_path / "evaluate.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        real_sets(tmp_path)


def test_the_intercept_of_drawn_squares_is_their_edge() -> None:
    # Cells of 16 pixels, cut at the frame's end.
    assert labelled_intercept(_grid(160) > 0) == pytest.approx(16.0, rel=0.1)


def test_a_set_is_judged_and_what_is_refused_is_counted(tmp_path: Path) -> None:
    sets = real_sets(_folder(tmp_path / "steel"))
    with Watch() as watch:
        figures = real_figures(MicrographReader.load(), [replace(sets[0], learn=())], watch)
    steel = figures["steel"]
    assert isinstance(steel, dict)
    assert steel["zero_shot"]["boundary"]["f1"] > 0.8
    assert steel["classical"]["boundary"]["f1"] > 0.8
    assert steel["accepted"] + sum(steel["reasons"].values()) == steel["images"] == 2


def test_a_channel_that_a_way_does_not_know_has_no_figure(tmp_path: Path) -> None:
    root = _folder(tmp_path / "steel", 1)
    (root / "classes.toml").write_text('255 = "film"\n')
    (only,) = real_sets(root)
    reader = MicrographReader.load()
    found = {image.name: seen(reader.network, image, ()) for image in only.images}
    assert scores(found, only.images, only) == {}
