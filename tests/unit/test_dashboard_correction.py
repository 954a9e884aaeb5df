"""A correction signs what a person wrote anew, and nothing that they left alone."""

from __future__ import annotations

import pytest

from agent.dashboard.views.experiment_correction import Written, correction_of, written_of
from agent.words import NO_BREAK
from instruments.messages import Quantity

HARDNESS = Quantity(value=23.456789012345, unit="GPa", std=0.61234567890123)
GRAINS = Quantity(value=1.2345678901234, unit="um", std=0.0512345678901)
VALUES = {"hardness": HARDNESS, "grain_size": GRAINS}


def _written(**anew: Written) -> dict[str, Written]:
    return {**{name: written_of(quantity) for name, quantity in VALUES.items()}, **anew}


def test_only_the_field_that_was_written_in_is_corrected() -> None:
    said = correction_of(VALUES, _written(hardness=Written("25", written_of(HARDNESS).std)))
    assert dict(said.arguments) == {"hardness": 25.0}
    assert said.rows == (("Hardness", f"23.5 ± 0.6{NO_BREAK}GPa", f"25.0 ± 0.6{NO_BREAK}GPa"),)


def test_a_new_uncertainty_comes_with_the_whole_value_that_is_on_record() -> None:
    said = correction_of(VALUES, _written(hardness=Written(written_of(HARDNESS).value, "0,8")))
    assert dict(said.arguments) == {"hardness": 23.456789012345, "hardness_std": 0.8}


def test_a_change_in_the_last_digits_is_seen() -> None:
    ((_, before, after),) = correction_of(VALUES, _written(grain_size=Written("1.2345"))).rows
    assert before != after
    assert "1.2345 ±" in after


def test_nothing_that_was_left_alone_is_a_correction() -> None:
    said = correction_of(VALUES, _written())
    assert (dict(said.arguments), said.wrong) == ({}, "Nothing is changed yet.")


def test_a_value_of_zero_or_below_stands_in_no_other_corrections_way() -> None:
    values = {
        **VALUES,
        "porosity": Quantity(value=0.0, unit="1", std=0.0),
        "offset": Quantity(value=-3.5, unit="Cel", std=0.2),
    }
    written = {name: written_of(quantity) for name, quantity in values.items()}
    said = correction_of(values, {**written, "hardness": Written("25", "")})
    assert dict(said.arguments) == {"hardness": 25.0}
    again = correction_of(values, {**written, "offset": Written("\N{MINUS SIGN}4", "")})
    assert dict(again.arguments) == {"offset": -4.0}


@pytest.mark.parametrize(
    ("written", "about"),
    [(Written("hard"), "no number"), (Written(""), "no number"), (Written("inf"), "no number"),
     (Written("-1"), "must be positive"), (Written("0"), "must be positive"), (Written("25", "0"), "uncertainty"),
     (Written("25", "wide"), "uncertainty")],
)  # fmt: skip
def test_what_cannot_be_is_said_and_not_signed(written: Written, about: str) -> None:
    said = correction_of(VALUES, _written(hardness=written))
    assert not said.arguments
    assert about in said.wrong
    assert said.wrong.startswith("Hardness")
