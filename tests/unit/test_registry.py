"""A laboratory's directory of people: who is taken in, who is given up, and what the running agent sees of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli_people import people_app
from agent.identity import IdentityStore, People
from agent.registry import Registry
from agent.roles import Role
from envs.errors import UserError

PASSWORD = "correct horse"  # noqa: S105  # of nobody
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def laptop(tmp_path: Path) -> IdentityStore:
    store = IdentityStore(tmp_path / "laptop", cost=2**4)
    store.create("anna", Role.APPROVER, PASSWORD)
    return store


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "state" / "people")


def test_a_key_is_taken_in_with_the_role_that_is_granted(laptop: IdentityStore, registry: Registry) -> None:
    person, path = registry.add(laptop.public_path("anna"), role=Role.OPERATOR)
    assert (person.name, person.role, path.name) == ("anna", Role.OPERATOR, "anna.public.json")
    found = registry.people().find(laptop.person("anna").key.kid)
    assert found == person
    assert "private" not in "".join(file.name for file in registry.directory.iterdir())


def test_what_must_not_be_taken_in(laptop: IdentityStore, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"private half, which stays with its owner: the laboratory needs anna\.public"):
        registry.add(laptop.private_path("anna"))
    (tmp_path / "copy.json").write_bytes(laptop.private_path("anna").read_bytes())
    with pytest.raises(UserError, match="damaged or no identity"):
        registry.add(tmp_path / "copy.json")
    assert not registry.directory.exists()
    registry.add(laptop.public_path("anna"))
    with pytest.raises(UserError, match=r"already, as anna \(approver\)"):
        registry.add(laptop.public_path("anna"), role=Role.ADMIN)
    other = IdentityStore(tmp_path / "other", cost=2**4)
    other.create("anna", Role.ADMIN, PASSWORD)
    with pytest.raises(UserError, match=r"anna has another key .* identity revoke anna"):
        registry.add(other.public_path("anna"))


def test_a_key_that_was_given_up_stays_and_never_comes_back(
    laptop: IdentityStore, registry: Registry, tmp_path: Path
) -> None:
    registry.add(laptop.public_path("anna"))
    assert registry.revoke("anna", NOW) == [registry.directory / "anna.public.json"]
    found = registry.people().find(laptop.person("anna").key.kid)
    assert found is not None
    assert found.revoked == NOW
    with pytest.raises(UserError, match=r"already, as anna \(approver\), given up at 2026-03-01"):
        registry.add(laptop.public_path("anna"))
    with pytest.raises(UserError, match="gave up at"):
        Registry(tmp_path / "elsewhere").add(registry.directory / "anna.public.json")
    newer = IdentityStore(tmp_path / "newer", cost=2**4)
    newer.create("anna", Role.APPROVER, PASSWORD)
    registry.add(newer.public_path("anna"))
    people = People.from_directory(registry.directory)
    assert sorted((person.name, person.revoked is None) for person in people) == [("anna", False), ("anna", True)]
    assert len(registry.revoke("anna", NOW)) == 1


def test_who_is_not_there_cannot_be_given_up(laptop: IdentityStore, registry: Registry) -> None:
    with pytest.raises(UserError, match="there are none"):
        registry.revoke("ben", NOW)
    registry.add(laptop.public_path("anna"))
    with pytest.raises(UserError, match="there are anna"):
        registry.revoke("ben", NOW)
    with pytest.raises(UserError, match="cannot be a person's name"):
        registry.revoke("../anna", NOW)


def test_a_key_that_was_given_up_signs_nothing_more(laptop: IdentityStore) -> None:
    file = laptop.public_path("anna")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"revoked": "2026-03-01T12:00:00Z"}))
    with pytest.raises(UserError, match="anna gave this key up at 2026-03-01"):
        laptop.open("anna", PASSWORD)


def _run(*words: str) -> Result:
    return CliRunner().invoke(people_app, ["identity", *words])


def test_the_commands(laptop: IdentityStore, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABWRIGHT_STATE", raising=False)
    monkeypatch.chdir(registry.directory.parents[1])
    file = str(laptop.public_path("anna"))
    assert "which laboratory?" in str(_run("add", file).exception)
    registry.directory.parent.mkdir()
    added = _run("add", file)
    assert added.exit_code == 0, added.output
    assert f"anna is approver now, by the key {laptop.person('anna').key.kid}" in added.stdout
    revoked = _run("revoke", "anna", "--people", str(registry.directory))
    assert revoked.exit_code == 0, revoked.output
    assert [person.revoked is not None for person in registry.people()] == [True]
    listed = _run("list", "--state", "state")
    assert listed.stdout.split() == ["anna", "approver", laptop.person("anna").key.kid, "revoked"]
    assert "identity add FILE" in _run("list", "--people", "nowhere").stderr
    both = _run("revoke", "anna", "--people", str(registry.directory), "--state", "state")
    assert "give one of them" in str(both.exception)


def test_the_first_key_makes_the_state_directory(laptop: IdentityStore, tmp_path: Path) -> None:
    added = _run("add", str(laptop.public_path("anna")), "--role", "admin", "--state", str(tmp_path / "new" / "state"))
    assert added.exit_code == 0, added.output
    assert "it is made" in added.stderr
    assert [person.role for person in Registry(tmp_path / "new" / "state" / "people").people()] == [Role.ADMIN]
