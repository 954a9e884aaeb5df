"""Pictures that are no section, and the stream that classes are fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from envs.errors import ConfigError
from simulators.odd_pictures.foreign_sections import FOREIGN
from simulators.odd_pictures.kinds import ODD, odd_picture
from simulators.odd_pictures.photographs import FITTED, JUDGED, photograph
from simulators.odd_pictures.stream import FIT_SEED, JUDGE_SEED, SECTION, class_pictures, judged_pictures
from surrogates.micrograph_classes import CLASSES


@pytest.mark.parametrize("kind", ODD)
def test_each_kind_is_a_grey_picture_of_any_shape_and_the_same_for_the_same_seed(kind: str) -> None:
    shape = (97, 130)
    first, again = (odd_picture(np.random.default_rng([2, 3]), shape, kind) for _ in range(2))
    assert first.shape == shape
    assert first.dtype == np.float32
    assert 0.0 <= first.min() <= first.max() <= 1.0
    assert (first == again).all()
    assert first.std() > 0.01
    assert (odd_picture(np.random.default_rng([2, 4]), shape, kind) != first).any()


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(ConfigError, match="dragon"):
        odd_picture(np.random.default_rng(1), (64, 64), "dragon")


def test_photographs_that_are_judged_on_are_never_fitted_on() -> None:
    assert not set(FITTED) & set(JUDGED)
    for name in (*FITTED, *JUDGED):
        assert photograph(np.random.default_rng(1), (48, 64), (name,)).shape == (48, 64)


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_sections_are_grey_pictures(kind: str) -> None:
    picture = FOREIGN[kind](np.random.default_rng(3), (96, 120))
    assert picture.shape == (96, 120)
    assert picture.dtype == np.float32
    assert 0.0 <= picture.min() < picture.max() <= 1.0


def test_the_streams_hold_every_class_and_the_first_pictures_do_not_depend_on_the_number() -> None:
    assert FIT_SEED != JUDGE_SEED
    names = [each.name for each in class_pictures(FIT_SEED, 12)]
    assert names[:5] == [each.name for each in class_pictures(FIT_SEED, 5)]
    assert set(names) <= {*CLASSES, SECTION}
    assert [each.name for each in judged_pictures(JUDGE_SEED, 10)] == list(CLASSES)
