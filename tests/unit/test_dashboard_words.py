"""Numbers, units and times as the dashboard writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dashboard.views import words
from instruments.messages import Quantity
from instruments.profile.agent_messages import Estimate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def flat(text: str) -> str:
    """The same with ordinary blanks and minus signs."""
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\u2212", "-")


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (12.34, 0.41, "12.3 ± 0.4 GPa"),
        # The Review of Particle Physics' own examples: 0.827 ± 0.119 and 0.827 ± 0.367.
        (0.827, 0.119, "0.83 ± 0.12 GPa"),
        (0.827, 0.367, "0.8 ± 0.4 GPa"),
        (32.4, 2.1, "32.4 ± 2.1 GPa"),
        (1234.0, 123.0, "1230 ± 120 GPa"),
        (-0.01, 0.4, "0.0 ± 0.4 GPa"),
        (5.0, None, "5 GPa"),
        (5.0, 0.0, "5 GPa"),
    ],
)
def test_an_uncertainty_says_how_many_digits_are_known(value: float, std: float | None, text: str) -> None:
    assert flat(words.uncertain(value, std, "GPa")) == text


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("Cel", "°C"), ("um", "µm"), ("K/min", "K/min"), ("g/cm3", "g/cm³"), ("W/(m.K)", "W/(m·K)"), ("s-1", "s⁻¹"),
        ("10*3/mm2", "10³/mm²"), ("1", ""), ("%", "%"), ("Ohm.m", "Ω·m"), ("{count}", ""), ("[HV]", "HV"), ("u", "u"),
    ],
)  # fmt: skip
def test_ucum_codes_become_what_people_write(code: str, unit: str) -> None:
    assert words.pretty_unit(code) == unit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.4 s"), (45.0, "45 s"), (59.6, "1 min"), (61.0, "1 min 1 s"), (3599.0, "1 h"), (3599.9, "1 h"),
        (7800.0, "2 h 10 min"), (86399.0, "1 d"), (90000.0, "1 d 1 h"), (-600.0, "-10 min"), (float("inf"), "–"),
    ],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert flat(words.duration(seconds)) == text


def test_a_moment_says_when_and_how_far_off() -> None:
    assert flat(words.moment(NOON + timedelta(hours=2, minutes=10), NOON)) == "14:10 (in 2 h 10 min)"
    assert flat(words.moment(NOON - timedelta(days=3), NOON)) == "26 Feb, 12:00 (3 d ago)"
    assert flat(words.clock(NOON - timedelta(days=365), NOON)) == "1 Mar 2025, 12:00"
    assert words.stamp(NOON) == "2026-03-01 12:00 UTC"


def test_nearly_certain_is_not_written_as_certain() -> None:
    shown = [flat(words.percent(share)) for share in (0.0, 0.0004, 0.0235, 0.93, 0.9951, 0.9995, 1.0)]
    assert shown == ["0 %", "< 0.1 %", "2.4 %", "93 %", "99.5 %", "> 99.9 %", "100 %"]


def test_an_interval_comes_from_quantiles_or_from_the_spread() -> None:
    given = Estimate(value=32.4, unit="GPa", std=2.0, low=28.6, high=35.5)
    assert words.bounds(given) == (28.6, 35.5)
    low, high = words.bounds(Estimate(value=32.4, unit="GPa", std=2.0))
    assert (low, high) == pytest.approx((29.11, 35.69), abs=0.005)  # 1.645 standard deviations on either side
    assert flat(words.interval(28.6, 35.5, "GPa")) == "28.6 to 35.5 GPa"


@pytest.mark.parametrize(
    ("value", "low", "high", "text", "spread"),
    [
        (44.9, 12.4, 154.0, "44.9 GPa", "12.4 to 154 GPa"),  # over a decade
        (17.0, -12.6, 46.6, "17 GPa", "-12.6 to 46.6 GPa"),  # as wide as the value
        (30.0, 29.0, 33.0, "30 GPa", "29 to 33 GPa"),  # all on one side
        (44.9, 0.00012, 154.0, "44.9 GPa", "0 to 154 GPa"),
        (32.4, 28.6, 35.5, "32.4 ± 2.0 GPa", "28.6 to 35.5 GPa"),
    ],
)
def test_a_spread_that_is_wide_or_uneven_is_told_by_its_ends(
    value: float, low: float, high: float, text: str, spread: str
) -> None:
    given = Estimate(value=value, unit="GPa", std=2.0, low=low, high=high)
    assert (flat(words.expected(given)), flat(words.spread(given))) == (text, spread)
    line = flat(words.estimated(given))
    assert line == text if "±" in text else line == f"{text} (90%: {spread})"


def test_very_small_and_very_large_numbers_share_a_power_of_ten() -> None:
    assert flat(words.uncertain(3.2e-12, 4e-13, "m2")) == "(3.2 ± 0.4) × 10⁻¹² m²"
    assert flat(words.uncertain(1.5e15, 2e13, "m-3")) == "(1.500 ± 0.020) × 10¹⁵ m⁻³"
    assert flat(words.uncertain(1e-6, 2e-3, "m")) == "0.0000 ± 0.0020 m"  # the spread is what can be read
    assert flat(words.uncertain(0.5, 1e-12, "m")) == "0.5000000000000 ± 0.0000000000010 m"
    assert flat(words.interval(2.5e-12, 3.9e-12, "m2")) == "(2.5 to 3.9) × 10⁻¹² m²"
    assert flat(words.interval(-2e9, 3e9, "Pa")) == "(-2.0 to 3.0) × 10⁹ Pa"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1523.75, "1523.75 °C"), (-196.15, "-196.15 °C"), (12345.678, "12 345.678 °C"),
        (0.1 + 0.2, "0.30000000000000004 °C"), (-0.0, "0 °C"), (1234567.0, "1 234 567 °C"), (1.25e-7, "1.25 × 10⁻⁷ °C"),
    ],
)  # fmt: skip
def test_what_is_ordered_is_never_rounded(value: float, text: str) -> None:
    quantity = Quantity(value=value, unit="Cel")
    assert flat(words.ordered(quantity)) == text
    assert flat(dict(words.process_of({"formula": "HfB2", "temperature": quantity}))["temperature"]) == text
    assert flat(words.plain(value, "Cel")) == text


def test_counts_are_whole() -> None:
    assert flat(words.plain(12345.0, "1", 4)) == "12 345"
    assert flat(words.plain(12345.0, "h", 4)) == "12 340 h"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ti0.95Al0.05N", "Ti₀.₉₅Al₀.₀₅N"), ("Hf.5Zr.5B2", "Hf.₅Zr.₅B₂"), ("AISI304", "AISI304"),
        ("(Hf0.5Ta0.5)C", "(Hf₀.₅Ta₀.₅)C"),
        ("Al2(SO4)3", "Al₂(SO₄)₃"), ("TiB2-SiC", "TiB₂-SiC"), ("hard-P001", "hard-P001"), ("mp-1145", "mp-1145"),
        ("additive Y2O3, 1500 °C", "additive Y₂O₃, 1500 °C"), ("made of B4C.", "made of B₄C."),
        ("grade A2", "grade A2"), ("1:2 mix", "1:2 mix"), ("B12", "B₁₂"), ("P05", "P05"),
    ],
)  # fmt: skip
def test_only_formulas_have_subscripts(text: str, shown: str) -> None:
    assert words.formula(text) == shown


def test_two_factors_with_the_same_last_part_are_told_apart_and_none_is_left_out() -> None:
    hot, hotter = Quantity(value=900.0, unit="Cel"), Quantity(value=1600.0, unit="Cel")
    design: dict[str, Quantity | str] = {
        "anneal.temperature": hot, "sinter.temperature": hotter, "formula": "HfB2", "crystal": "mp-1994",
        "die.material": "graphite",
    }  # fmt: skip
    names = [name for name, _ in words.process_of(design)]
    assert names == ["anneal temperature", "sinter temperature", "material"]
    assert words.crystal_of(design) == "mp-1994"
    assert words.crystal_of({"crystal": "mp-1994"}) == ""
    assert words.formula_of({"crystal": "mp-1994"}) == "mp-1994"


def test_a_design_is_read_as_a_compound_and_a_process() -> None:
    design: dict[str, Quantity | str] = {
        "crystal": "mp-1994",
        "formula": "HfB2",
        "temperature": Quantity(value=1550.0, unit="Cel"),
        "powder_size": Quantity(value=0.4, unit="um"),
        "additive": "none",
    }
    assert words.formula_of(design) == "HfB₂"
    process = [(name, flat(value)) for name, value in words.process_of(design)]
    assert process == [("temperature", "1550 °C"), ("powder size", "0.4 µm"), ("additive", "none")]
    assert flat(words.lasting(Quantity(value=4.5, unit="h"))) == "4 h 30 min"


@given(st.floats(-1e15, 1e15, allow_subnormal=False), st.integers(2, 6))
def test_a_written_number_is_the_number(value: float, digits: int) -> None:
    text = flat(words.number(value, digits)).replace(" ", "")
    if "×10" in text:
        mantissa, power = text.split("×10")
        text = f"{mantissa}e{power.translate(str.maketrans('⁰¹²³⁴⁵⁶⁷⁸⁹⁻', '0123456789-'))}"
    assert float(text) == pytest.approx(float(f"{value:.{digits}g}"), rel=1e-12)
