"""Text can be read on every surface, in light and in dark (WCAG 2.2, success criterion 1.4.3: 4.5 to 1)."""

from __future__ import annotations

import re
from itertools import product

import pytest

from agent.dashboard.assets import STATIC

_INKS = ("ink", "ink-2", "accent", "good", "warn", "bad", "info")
_PAIRS = (
    *product(_INKS, ("bg", "surface", "raised")),
    *((tone, f"{tone}-soft") for tone in ("accent", "good", "warn", "bad", "info")),
    *(("ink", f"{tone}-soft") for tone in ("good", "warn", "bad", "info")),
    ("on-accent", "accent"),
    ("on-bad", "bad"),
    ("on-stop", "stop"),
)


def tokens(selector: str) -> dict[str, str]:
    """The colours that a rule of the shared style sheet sets."""
    sheet = (STATIC / "labwright.css").read_text()
    rule = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", sheet, re.MULTILINE | re.DOTALL)
    assert rule is not None
    return dict(re.findall(r"--lw-([\w-]+):\s*(#[0-9a-f]{6})", rule[1]))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definitions)."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("selector", [":root", ".body--dark"])
@pytest.mark.parametrize(("ink", "ground"), _PAIRS)
def test_text_stands_out_from_its_ground(selector: str, ink: str, ground: str) -> None:
    colours = tokens(selector)
    lighter, darker = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_the_login_is_dark_in_the_same_colours_without_a_script() -> None:
    login = (STATIC / "login.css").read_text()
    auto = dict(re.findall(r"--lw-([\w-]+):\s*(#[0-9a-f]{6})", login))
    dark = tokens(".body--dark")
    assert len(auto) > 8
    assert {name: dark[name] for name in auto} == auto
