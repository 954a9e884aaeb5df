"""Campaign files: what is wrong is said with its key, its value and what is allowed."""

import copy
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import load_config, parse_config
from agent.wiring import build_problem
from envs.errors import ConfigError, UserError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(text)
    return path


def test_defaults_are_the_flagship_campaign() -> None:
    config = load_config(None)
    assert (config.campaign.experiments, config.campaign.strategy, config.campaign.seed) == (32, "hybrid", 0)
    assert config.space == {"preset": "flagship"}


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[campaign]\nexperiments = 10\nbatch = 3\n[recipe]\nindent_load = 4.9\n")
    config = load_config(path, experiments=12, batch=None)
    assert (config.campaign.experiments, config.campaign.batch, config.recipe.indent_load) == (12, 3, 4.9)


def test_a_configuration_survives_being_stored() -> None:
    config = load_config(None, seed=7)
    assert parse_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[campaign]\nexperimets = 10\n", ["campaign.experimets", "10", "did you mean 'experiments'"]),
        ("[campain]\nseed = 1\n", ["campain", "did you mean 'campaign'"]),
        ("[recipe]\nzzz = 1\n", ["recipe.zzz", "the keys", "indent_load"]),
        ("[campaign]\nexperiments = 0\n", ["campaign.experiments", "0", "greater than or equal to 1"]),
        ("[campaign]\nbatch = 33\n", ["campaign.batch", "33", "less than or equal to 32"]),
        ("[campaign]\nlabelled = nan\n", ["campaign.labelled", "nan"]),
        ("[campaign]\nstrategy = 'magic'\n", ["campaign.strategy", "magic", "'random', 'bo', 'ppo' or 'hybrid'"]),
        ("[campaign]\nseed = 'one'\n", ["campaign.seed", "one", "allowed: a whole number"]),
        ("[campaign]\nseed = true\n", ["campaign.seed", "True", "allowed: a whole number"]),
        ("[campaign]\nseed = 1.5\n", ["campaign.seed", "1.5", "allowed: a whole number"]),
        ("[campaign]\nlabelled = 'half'\n", ["campaign.labelled", "half", "allowed: a number"]),
        ("[campaign]\nlabelled = inf\n", ["campaign.labelled", "inf", "a finite number"]),
        ("[campaign]\nname = ''\n", ["campaign.name", "allowed: at least 1 character"]),
        ("[campaign]\nname = 'a/b'\n", ["campaign.name", "allowed: letters, digits"]),
        ("[campaign]\nname = 7\n", ["campaign.name", "allowed: a text"]),
        ("campaign = 3\n", ["campaign = 3", "allowed: a table [campaign]"]),
        ("[[recipe]]\n", ["recipe = [{}]", "allowed: a table [recipe]"]),
        ("space = 'flagship'\n", ["space = 'flagship'", "allowed: a table [space]"]),
        ("objective = 'hardness'\n", ["objective", "allowed: a table [objective]"]),
    ],
)
def test_a_wrong_value_is_one_clear_message(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_an_override_of_a_section_that_is_no_table_is_said_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="campaign = 3"):
        load_config(write(tmp_path, "campaign = 3\n"), seed=1)


@pytest.mark.parametrize(
    "content",
    [b"[campaign\n", b"a = \n", b"\xff\xfe\x00", b"a = " + 5000 * b"[", b"a = " + 5000 * b"9"],
    ids=["bracket", "nothing", "bytes", "deep", "digits"],
)
def test_what_is_no_toml_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "campaign.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"campaign\.toml is not valid TOML"):
        load_config(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing.toml cannot be read: No such file"):
        load_config(tmp_path / "missing.toml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


FACTORS = """
[[space.factors]]
name = "powder_size"
unit = "um"
levels = [0.4, 0.8]
[[space.factors]]
name = "additive"
levels = ["none", "MgO"]
[[space.factors]]
name = "temperature"
unit = "Cel"
start = 1400
stop = 1800
step = 100
[[space.factors]]
name = "hold"
unit = "h"
levels = [1.0, 4.0]
[[space.factors]]
name = "heating_rate"
unit = "K/min"
levels = [5.0, 10.0]
[[space.factors]]
name = "pressure"
unit = "MPa"
levels = [0.0, 40.0]
"""


def test_a_space_of_ones_own_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, f'[space]\nname = "mine"\nlibrary = "ceramics"\n{FACTORS}')
    problem = build_problem(load_config(path), source=str(path))
    assert len(problem.space.factors) == 6
    assert problem.rules.experiments == 32


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ('preset = "flagshop"', ["space.preset", "flagshop", "flagship"]),
        ('preset = "flagship"\nname = "x"', ["space.name"]),
        ('library = "all"\nfoo = 1', ["space.foo", "the keys preset"]),
        ('preset = "flagship"\nunavailable = ["hf"]', ["space.unavailable", "'hf'", "did you mean 'Hf'"]),
        ('preset = "flagship"\nunavailable = ["Unobtainium"]', ["space.unavailable", "symbols of chemical elements"]),
        ('library = "all"\nunavailable = ["Hf"]', ["space.unavailable", "exclude_elements"]),
        ('library = "all"\nexclude_elements = ["Xx"]', ["space.exclude_elements", "'Xx'"]),
        ('library = "all"\n[[space.rules]]\nrule = "stock"\nelements = ["HF"]', ["rules.stock.elements", "'Hf'"]),
        ('library = "all"\n[[space.rules]]\nrule = "stock"\nname = "x"', ["rules.stock.name", "rule, elements"]),
        ('library = "all"\n[[space.rules]]\nrule = ["stock"]', ["rules.rule", "one of"]),
        ('library = "all"\n[[space.rules]]\nrule = "die_limit"\nlimit = nan', ["rules.die_limit.limit", "finite"]),
        ('library = "ceramics"\ncrystals = ["mp-988", "mp-988"]', ["space.crystals", "mp-988", "once"]),
        ('library = "ceramics"\ncrystals = []', ["space.crystals", "at least one"]),
        ('library = "none"\ncrystals = ["mp-988"]', ["space.crystals", "only beside"]),
        (
            f'library = "ceramics"\n{FACTORS}'.replace("step = 100", "step = 1e-9"),
            ["temperature.step", "at most 1,000"],
        ),
        (
            f'library = "ceramics"\n{FACTORS}'.replace("step = 100", "step = inf"),
            ["temperature.step", "finite numbers"],
        ),
        (f'library = "ceramics"\n{FACTORS}'.replace("stop = 1800", "stop = 1e308"), ["temperature.step", "at most"]),
        (f'library = "ceramics"\n{FACTORS}'.replace("[1.0, 4.0]", str(list(range(1, 1200)))), ["levels", "at most"]),
        (f'library = "none"\n{FACTORS}', ["space.library", "choose a library"]),
        ('library = "ceramics"\ncrystals = ["mp-0"]', ["space.crystals", "mp-0"]),
        (f'library = "ceramics"\n{FACTORS}'.replace("[1.0, 4.0]", "[1.0, 4000.0]"), ["space.factors.hold", "4000"]),
        (f'library = "ceramics"\n{FACTORS}'.replace('"Cel"', '"K"'), ["space.factors.temperature.unit", "Cel"]),
        (f'library = "ceramics"\n{FACTORS}'.replace('"MgO"', '"gold"'), ["space.factors.additive.levels", "gold"]),
        (f'library = "ceramics"\n{FACTORS}'.replace('"pressure"', '"speed"'), ["space.factors", "speed", "exactly"]),
        (f'library = "ceramics"\n{FACTORS}'.replace("step = 100", "step = 0"), ["space.factors.temperature.step", "0"]),
    ],
)
def test_a_wrong_space_is_one_clear_message(tmp_path: Path, space: str, words: list[str]) -> None:
    path = write(tmp_path, f"[space]\n{space}\n")
    with pytest.raises(ConfigError) as caught:
        build_problem(load_config(path), source=str(path))
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_another_objective_than_the_laboratory_measures_is_refused(tmp_path: Path) -> None:
    for text in ("name = 'toughness'", "name = 'hardness'\nunit = 'MPa'", "goal = 3"):
        path = write(tmp_path, f"[objective]\n{text}\n")
        with pytest.raises(ConfigError, match="objective") as caught:
            build_problem(load_config(path), source=str(path))
        assert str(path) in str(caught.value)


WHOLE = {
    "campaign": {
        "name": "x",
        "experiments": 12,
        "initial": 4,
        "batch": 2,
        "strategy": "bo",
        "seed": 1,
        "labelled": 0.3,
    },
    "recipe": {"indent_load": 9.8, "n_indents": 5, "max_images": 2, "max_tries": 1},
    "space": tomllib.loads(
        f'[space]\nname = "mine"\nlibrary = "ceramics"\ncrystals = ["mp-988", "mp-1346"]\n'
        f'exclude_elements = ["Be"]\n{FACTORS}'
        '[[space.rules]]\nrule = "stock"\nelements = ["Hf"]\n'
        '[[space.rules]]\nrule = "melting_share"\nshare = 0.8\n'
        '[[space.rules]]\nrule = "linear_window"\nfactors = ["hold", "powder_size"]\ncoefficients = [1.0, 2.0]\n'
    )["space"],
    "objective": {"name": "hardness", "unit": "GPa", "direction": "maximise"},
}
ODD = st.sampled_from([
    True, False, 0, -1, 1, 10**30, 10**400, -(10**400), 0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, float("nan"),
    float("inf"), float("-inf"), "", "x", "Hf", "hold", "crystal", "none", "[/]", "\x00", [], [[]], [[[1]]], [1, "a"],
    [True], ["", ""], [1, 1], [0, float("nan")], [10**400],
    {}, {"": 1}, {"a": {"b": []}}, [{}], [{"rule": {}}], [{"name": []}],
    datetime(2026, 1, 1, tzinfo=UTC), ["hold", "hold"], ["temperature", "crystal"], ["additive"], [1.0], "temperature",
])  # fmt: skip


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of everything inside a configuration, tables and lists included."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, part in inside for p in ((*path, key), *places(part, (*path, key)))]


@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)), ODD), min_size=1, max_size=3))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_file_holds_is_right_or_one_clear_message(changes: list[tuple[tuple[str | int, ...], Any]]) -> None:
    raw: Any = copy.deepcopy(WHOLE)
    for path, value in changes:
        at = raw
        try:
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    try:
        build_problem(parse_config(raw, source="f.toml"), source="f.toml")
    except UserError as error:
        message = str(error)
        assert message.startswith("f.toml: ")
        assert "is not valid; allowed: " in message
        assert len(message) < 1000
        assert "instance of" not in message
        assert "parse" not in message
