"""What can hurt is said on the proposal."""

import tomllib

import pytest

from agent.rules.hazards import Hazards, read_hazards
from envs.design import Design
from envs.errors import ConfigError
from envs.space import flagship

FACTORS = flagship().factors
CRYSTALS = {"mp-1143": "Al2O3", "mp-1590": "BeO", "mp-1145": "TiB2"}
LAB = """
[beryllium]
elements = ["Be"]
code = "H350"
severity = "danger"
text = "May cause cancer: weigh the powder in the glove box."
[hot]
factor = "temperature"
above = 1800
text = "Above 1800 Cel the graphite felt glows for hours: do not open."
[boride-with-boron-carbide]
elements = ["B"]
factor = "additive"
options = ["B4C"]
severity = "note"
text = "Boron-rich dust."
"""


def hazards_of(text: str) -> Hazards:
    return read_hazards(tomllib.loads(text), FACTORS, CRYSTALS, source="LAB.toml")


def codes(hazards: Hazards, crystal: str, **process: float | str) -> list[str]:
    plain = {f.name: f.levels[0] for f in FACTORS} | {"temperature": 1400.0, "additive": "none"}
    return [h.code for h in hazards(Design(crystal, {**plain, **process}))]


def test_elements_and_thresholds_find_what_the_laboratory_wrote() -> None:
    hazards = hazards_of(LAB)
    assert codes(hazards, "mp-1143") == []
    assert codes(hazards, "mp-1143", temperature=1800.0) == []
    assert codes(hazards, "mp-1590", temperature=1850.0) == ["H350", "hot"]
    assert codes(hazards, "mp-1145", additive="B4C") == ["boride-with-boron-carbide"]


def test_toxic_elements_are_named_even_where_nobody_wrote_of_them() -> None:
    (found,) = hazards_of("")(Design("mp-1590", {}))
    assert (found.code, found.severity) == ("hazardous-element", "danger")
    assert found.text.startswith("BeO holds Be")
    assert codes(hazards_of(LAB), "mp-1590") == ["H350"]  # what the laboratory says itself is enough


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('["Be"]', '["Bee"]'), "hazards.beryllium.elements"),
        (('factor = "temperature"', 'factor = "temperatur"'), "hazards.hot.factor"),
        (("above = 1800\n", ""), "hazards.hot.factor"),
        (("above = 1800", 'options = ["hot"]'), "hazards.hot.factor"),
        (('elements = ["Be"]\n', ""), "hazards.beryllium"),
        (('"danger"', '"deadly"'), "hazards.beryllium.severity"),
        (('code = "H350"', 'code = "H 350"'), "hazards.beryllium.code"),
        (("elements", "element"), "hazards.beryllium.element"),
    ],
)
def test_a_wrong_hazard_is_named(change: tuple[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        hazards_of(LAB.replace(*change, 1))
    assert refused.value.key == key
