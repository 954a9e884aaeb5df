"""The laboratory's file, and its guide: what is wrong is said with its key, its value and what is allowed."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from agent.cli import app
from agent.config import SeveralConfigError
from agent.daemon.config import LabConfig, is_lab_file, load_lab, parse_lab, virtual_config
from agent.daemon.credentials import credential, database_url
from agent.daemon.rules_of import facts_of, lab_rules
from agent.identity import People
from envs.design import Design
from envs.errors import ConfigError, UserError

SMALLEST = """
[lab]
name = "hall-3"
[broker]
url = "mqtt://agent@localhost"
[[campaign]]
id = "hard"
experiments = 20
"""


def load(tmp_path: Path, text: str) -> LabConfig:
    path = tmp_path / "LAB.toml"
    path.write_text(text)
    return load_lab(path)


def test_the_smallest_file_is_a_laboratory(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST)
    assert (config.lab.name, config.lab.agent, config.lab.live) == ("hall-3", "agent", False)
    assert config.state == tmp_path / "state"
    assert config.people == tmp_path / "state" / "people"
    assert config.journal() == tmp_path / "state"
    entry = config.entry("hard")
    assert (entry.experiments, entry.batch, entry.priority, entry.at_once) == (20, 4, 0, 1)
    assert entry.offline.campaign.experiments == 20
    assert entry.name == "hard"
    assert entry.offline.space == {"preset": "flagship"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "hall-3"', "", ["lab.name is missing"]),
        ('name = "hall-3"', 'name = "hall 3"', ["lab.name", "'hall 3'", "letters, digits"]),
        ('name = "hall-3"', 'name = "a"\nstat = "x"', ["lab.stat", "did you mean 'state'"]),
        ('name = "hall-3"', 'name = "a"\nlive = "yes"', ["lab.live", "'yes'", "true or false"]),
        ('name = "hall-3"', 'name = "a"\nlive = true\nspeed = 2.0', ["lab.speed", "2.0", "1 where live = true"]),
        ('name = "hall-3"', 'name = "a"\ndatabase = "mysql://x"', ["lab.database", "postgresql://user@host"]),
        ("[broker]", "[brokr]", ["brokr", "did you mean 'broker'"]),
        ("[broker]", "[broker]\nembedded = true", ["broker.url", "no url beside embedded"]),
        ('url = "mqtt://agent@localhost"', "", ["broker.url", "or embedded = true"]),
        ("mqtt://agent@localhost", "mqtt://agent@far.example", ["broker.url", "TLS is required"]),
        ("mqtt://agent@localhost", "mqtt://a:s3cret@far.example", ["broker.url", "TLS is required"]),
        ("[broker]", '[broker]\npeople = ["anna"]', ["broker.people", "only beside embedded"]),
        ("experiments = 20", "experimets = 20", ["campaign[0].experimets", "did you mean 'experiments'"]),
        ("experiments = 20", "experiments = 4\ninitial = 8", ["campaign[0].initial = 8", "at most its experiments, 4"]),
        ("experiments = 20", 'instruments = "furnace-1"', ["campaign[0].instruments", "a list"]),
        ("experiments = 20", "recipe = { max_trys = 3 }", ["campaign[0].recipe.max_trys", "did you mean 'max_tries'"]),
        ('id = "hard"', "", ["campaign[0].id is missing"]),
        ('id = "hard"', 'id = "lab"', ["campaign[0].id", "'lab'", "any other word"]),
        ('id = "hard"', 'id = "hard"\n[[campaign]]\nid = "hard"', ["campaign[1].id", "each campaign once"]),
        ('id = "hard"', 'id = "hard"\nfile = "no.toml"', ["no.toml cannot be read"]),
        ("[lab]", "[http]\nport = 70000\n[lab]", ["http.port", "70000", "less than or equal to 65535"]),
        ("[lab]", "[budgets]\nruns_per_day = -1\n[lab]", ["budgets.runs_per_day", "-1", "at least 0"]),
        ("[lab]", "[hazards.hot]\ntext = 'x'\nsevere = 1\n[lab]", ["hazards.hot.severe", "did you mean 'severity'"]),
        ("[lab]", "[policy]\nexpires_h = 0\n[lab]", ["policy.expires_h", "greater than 0"]),
        ("experiments = 20", "budgets = { runs = 3 }", ["campaign[0].budgets.runs", "runs_per_day"]),
        ("experiments = 20", "policy = { expire_h = 3 }", ["campaign[0].policy.expire_h", "did you mean 'expires_h'"]),
        ("[lab]", "[limits.furnace-1]\nkind = 'furnace'\n[lab]", ["limits.furnace-1.commands", "at least one"]),
        ("[lab]", "[http]\ncertificate = 'a.pem'\n[lab]", ["http.certificate", "come together"]),
        ("[lab]", '[http]\npublic_url = "lab"\n[lab]', ["http.public_url", "lab"]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_clear_message(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in SMALLEST
    with pytest.raises(UserError) as caught:
        load(tmp_path, SMALLEST.replace(old, new, 1))
    for word in words:
        assert word in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = SMALLEST.replace("experiments = 20", "experiments = 0\nbatch = 99\nsede = 1")
    with pytest.raises(SeveralConfigError) as caught:
        load(tmp_path, text)
    assert [e.key for e in caught.value.errors] == ["campaign[0].experiments", "campaign[0].batch", "campaign[0].sede"]
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(str(tmp_path / "LAB.toml")) for line in lines)


def test_the_rules_own_tables_are_judged_whatever_else_is_wrong(tmp_path: Path) -> None:
    tables = '[limits.furnace-1]\nkind = "furnace"\n[policy]\nexpire_h = 3\n'
    text = SMALLEST.replace("experiments = 20", "experiments = 0\nbudgets = { runs = 3 }").replace(
        "[lab]", "[lab]\nnam = 1"
    )
    with pytest.raises(SeveralConfigError) as caught:
        load(tmp_path, f"{text}\n{tables}")
    assert {error.key for error in caught.value.errors} == {
        "lab.nam", "campaign[0].experiments", "campaign[0].budgets.runs", "limits.furnace-1.commands",
        "policy.expire_h",
    }  # fmt: skip
    for odd in ("[[lab]]", "campaign = 1\nlimits = 2\npolicy = 3\nhazards = 4\nbudgets = 5", "campaign = [1]"):
        with pytest.raises(ConfigError):
            load(tmp_path, odd)


def test_a_password_under_a_key_that_is_misspelt_is_not_said(tmp_path: Path) -> None:
    misspelt = 'databse = "postgresql://u:GEHEIM@h/db"\npasword = "x"\nsecret = "GEHEIM"\nkeys = { token = "GEHEIM" }\n'
    text = SMALLEST.replace("[lab]", f"[lab]\n{misspelt}").replace("[broker]", '[broker]\nurll = "mqtt://a:GEHEIM@h"')
    with pytest.raises(SeveralConfigError) as caught:
        load(tmp_path, text)
    assert {"lab.databse", "lab.secret", "lab.keys", "broker.urll"} <= {error.key for error in caught.value.errors}
    assert "GEHEIM" not in str(caught.value) + repr([error.value for error in caught.value.errors])


def test_a_campaign_file_is_read_and_the_entry_wins(tmp_path: Path) -> None:
    (tmp_path / "hard.toml").write_text(
        "[campaign]\nname = 'borides'\nexperiments = 12\nseed = 5\n[recipe]\nn_indents = 20\nmax_images = 2\n"
        "[space]\npreset = 'flagship'\nunavailable = ['Ta']\n"
    )
    text = SMALLEST.replace("experiments = 20", "file = 'hard.toml'\nseed = 6\nrecipe = { max_images = 3 }")
    entry = load(tmp_path, text).entry("hard")
    assert (entry.name, entry.experiments, entry.seed, entry.batch) == ("borides", 12, 6, 4)
    assert (entry.recipe.n_indents, entry.recipe.max_images) == (20, 3)
    assert entry.space == {"preset": "flagship", "unavailable": ["Ta"]}


def test_what_is_wrong_in_a_campaign_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "hard.toml").write_text("[campaign]\nbatch = 99\n")
    with pytest.raises(ConfigError, match=r"hard\.toml: campaign\.batch = 99"):
        load(tmp_path, SMALLEST.replace("experiments = 20", "file = 'hard.toml'"))


def test_a_laboratory_file_is_told_from_a_campaign_file() -> None:
    assert is_lab_file({"lab": {}})
    assert is_lab_file({"broker": {}, "campaign": []})
    assert not is_lab_file({"campaign": []})
    assert not is_lab_file({"campaign": {"seed": 1}, "space": {}})


def test_passwords_come_from_the_environment_then_from_files(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST)
    secrets, systemd = tmp_path / "state" / "secrets", tmp_path / "systemd"
    there = {"CREDENTIALS_DIRECTORY": str(systemd)}
    found = [config.address(there).password]
    for place, word in ((secrets, "of the state\n"), (systemd, "of systemd")):
        place.mkdir(parents=True)
        (place / "broker-password").write_text(word)
        found.append(config.address(there).password)
    found.append(config.address({**there, "LABWRIGHT_BROKER_PASSWORD": "given"}).password)
    assert found == ["", "of the state", "of systemd", "given"]
    assert credential("database-password", tmp_path, {}) is None


def test_the_dashboard_has_a_name_of_its_own_at_the_broker_or_the_agents(tmp_path: Path) -> None:
    given = {"LABWRIGHT_BROKER_PASSWORD": "the agent's", "LABWRIGHT_DASHBOARD_PASSWORD": "the pages'"}
    plain = load(tmp_path, SMALLEST)
    assert (plain.dashboard.enabled, plain.notify.on, plain.identities) == (True, False, None)
    assert (plain.dashboard_address(given).username, plain.dashboard_address(given).password) == (
        "agent",
        "the agent's",
    )
    named = load(tmp_path, f"{SMALLEST}\n[dashboard]\nbroker_user = 'pages'\nidentities = 'keys'\n")
    address = named.dashboard_address(given)
    assert (address.host, address.username, address.password) == ("localhost", "pages", "the pages'")
    assert named.identities == tmp_path / "keys"
    assert named.address(given).username == "agent"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[dashboard]\nsession_idle_min = 0", ["dashboard.session_idle_min", "1"]),
        ("[dashboard]\nsession_max_h = 1000", ["dashboard.session_max_h", "168"]),
        ("[dashboard]\nenable = true", ["dashboard.enable", "enabled"]),
        ("[dashboard]\nbroker_user = 'a b'", ["dashboard.broker_user", "a b"]),
        ("[notify]\nabout = ['rain']", ["notify.about", "proposal"]),
        ("[notify.webhook]\nurl = 'ftp://x'", ["notify.webhook.url", "https"]),
    ],
)
def test_a_wrong_dashboard_is_one_clear_message(tmp_path: Path, table: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{SMALLEST}\n{table}\n")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_dashboards_guide_shows_tables_that_are_right(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()
    tables = re.findall(r"```TOML\n(.*?)```", guide, re.DOTALL)
    assert len(tables) == 2
    config = load(tmp_path, SMALLEST + "".join(tables))
    assert config.dashboard == type(config.dashboard)(), "the guide shows the defaults"
    assert config.notify.on


def test_a_database_has_its_password_from_elsewhere(tmp_path: Path) -> None:
    text = SMALLEST.replace("[lab]", '[lab]\ndatabase = "postgresql://labwright@db.example:5433/lab"')
    config = load(tmp_path, text)
    assert config.journal({}) == "postgresql://labwright@db.example:5433/lab"
    given = {"LABWRIGHT_DATABASE_PASSWORD": "p@ss/word"}
    assert config.journal(given) == "postgresql://labwright:p%40ss%2Fword@db.example:5433/lab"
    assert database_url("postgresql://a:b@c/d", "other") == "postgresql://a:b@c/d"
    with pytest.raises(ConfigError) as caught:
        database_url("mysql://a:s3cret@c/d", None)
    assert "s3cret" not in str(caught.value)


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    text = SMALLEST.replace('"mqtt://agent@localhost"', '"mqtts://broker.example"\nca = "ca.pem"')
    tls = load(tmp_path, text).address({}).tls
    assert tls is not None
    assert tls.ca == tmp_path / "ca.pem"


def test_the_virtual_laboratory_needs_no_file(tmp_path: Path) -> None:
    config = virtual_config(tmp_path / "labwright-virtual", seed=7, people=["anna"])
    assert config.state == tmp_path / "labwright-virtual"
    assert (config.broker.embedded, config.broker.people) == (True, ("anna",))
    assert [(c.id, c.seed) for c in config.campaign] == [("ceramics", 7)]
    with pytest.raises(ConfigError, match=r"broker\.people"):
        virtual_config(tmp_path, people=["an na"])


def test_a_configuration_survives_being_stored(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST)
    assert parse_lab(config.model_dump(mode="json")).model_dump() == config.model_dump()


# ---- The guide

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "running-a-lab.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(GUIDE) if kind == language]


def test_the_example_is_a_laboratory_with_all_its_rules() -> None:
    config = load_lab(DOCS / "examples" / "lab.toml")
    facts = {entry.id: facts_of(entry) for entry in config.campaign}
    rules = lab_rules(config, People([]), facts, mode="live")
    assert set(rules.limits.instruments) == {"furnace-1", "sem-1", "indenter-1"}
    assert rules.campaigns["hard"].priority > rules.campaigns["screening"].priority
    factors = rules.campaigns["hard"].factors
    process = {f.name: f.levels[0] for f in factors}
    slow = {**process, "temperature": 1650.0, "heating_rate": 5.0}
    recipe = rules.campaigns["hard"].recipe
    assert rules.limits.refusals_of(recipe, Design("mp-988", slow), factors, "s") == ()
    assert rules.limits.refusals_of(recipe, Design("mp-988", {**slow, "heating_rate": 20.0}), factors, "s") != ()
    assert rules.campaigns["hard"].costs(Design("mp-988", slow))["furnace_hours"] == pytest.approx(0.5 + 1625 / 150)


@pytest.mark.parametrize("body", blocks("TOML"))
def test_the_guides_files_are_right(body: str, tmp_path: Path) -> None:
    (tmp_path / "hard.toml").write_text("[campaign]\nexperiments = 20\n")
    assert parse_lab(tomllib.loads(body), home=tmp_path).campaign[0].id == "hard"


def test_the_guides_commands_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed, not run."""
    monkeypatch.chdir(tmp_path)
    for name in ("anna", "bert", "kim"):
        (tmp_path / f"{name}.public.json").touch()
    whole: Any = typer.main.get_command(app)
    lines = [line for body in blocks("sh") for line in body.splitlines() if line.strip()]
    assert len(lines) > 20
    for line in lines:
        words, command = shlex.split(line)[1:], whole
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)
