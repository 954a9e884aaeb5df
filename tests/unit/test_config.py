"""Campaign files: what is wrong is said with its key, its value and what is allowed."""

from pathlib import Path

import pytest

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
        ("[campaign]\nseed = 'one'\n", ["campaign.seed", "one", "integer"]),
        ("[campaign]\nname = ''\n", ["campaign.name", "at least 1"]),
        ("campaign = 3\n", ["campaign", "3"]),
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


@pytest.mark.parametrize("content", [b"[campaign\n", b"a = \n", b"\xff\xfe\x00"])
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
        ('library = "all"\nfoo = 1', ["space.foo", "a known key"]),
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
