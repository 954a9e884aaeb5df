"""A person's key pair: made once, opened with the password alone, readable by its owner alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli_people import people_app
from agent.identity import IdentityStore, People, Person, PublicKey
from agent.roles import Role
from envs.errors import UserError

PASSWORD = "correct horse"  # noqa: S105  # of nobody


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    return IdentityStore(tmp_path / "identities", cost=16)


def test_opened_key_is_the_one_whose_public_half_was_handed_out(store: IdentityStore) -> None:
    person = store.create("anna.m", Role.APPROVER, PASSWORD)
    key = store.open("anna.m", PASSWORD)
    assert (key.name, key.role, key.kid) == ("anna.m", Role.APPROVER, person.key.kid)
    assert store.persons() == [person]
    assert People.from_directory(store.directory).find(key.kid) == person


def test_same_password_typed_on_another_keyboard_opens_the_key(store: IdentityStore) -> None:
    store.create("anna", Role.APPROVER, "sch\u00f6ne Kristalle")
    assert store.open("anna", "scho\u0308ne Kristalle").name == "anna"


def test_files_are_for_their_owner_and_hold_no_secret_in_the_clear(store: IdentityStore) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    secret = store.open("anna", PASSWORD).key.as_dict(private=True)["d"]
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    for path in (store.public_path("anna"), store.private_path("anna")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(secret) not in path.read_text()
        assert PASSWORD not in path.read_text()


def test_wrong_password_says_so(store: IdentityStore) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    with pytest.raises(UserError, match="wrong password for anna") as error:
        store.open("anna", "wrong horse")
    assert str(store.directory) not in str(error.value), "people at another machine read it"


@pytest.mark.parametrize("taken", ["public", "private"])
def test_nothing_is_overwritten(store: IdentityStore, taken: str) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    kept, lost = store.public_path("anna"), store.private_path("anna")
    kept, lost = (kept, lost) if taken == "public" else (lost, kept)
    before = kept.read_bytes()
    lost.unlink()
    with pytest.raises(UserError, match="exists already"):
        store.create("anna", Role.ADMIN, PASSWORD)
    assert kept.read_bytes() == before
    assert not lost.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../anna", "a/b", "a+", "#", "a b", "-a", "a\n", "a" * 65, "ännchen"])
def test_name_must_be_a_topic_level_and_a_file_name(store: IdentityStore, name: str) -> None:
    with pytest.raises(UserError, match="cannot be a person's name"):
        store.create(name, Role.VIEWER, PASSWORD)
    assert not store.directory.exists()


@pytest.mark.parametrize("password", ["", "short", "caf\udce9 caf\udce9"])
def test_poor_password_is_refused_before_anything_is_written(store: IdentityStore, password: str) -> None:
    with pytest.raises(UserError, match="the password"):
        store.create("anna", Role.APPROVER, password)
    assert not store.directory.exists()


def test_unknown_identity_names_those_there_are(store: IdentityStore) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    with pytest.raises(UserError, match=r"no identity 'ben' .*there: anna"):
        store.open("ben", PASSWORD)


def test_private_key_open_to_others_is_refused(store: IdentityStore) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    store.private_path("anna").chmod(0o644)
    with pytest.raises(UserError, match="can be read by others"):
        store.open("anna", PASSWORD)


def test_swapped_private_key_is_noticed(store: IdentityStore) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    store.create("ben", Role.VIEWER, PASSWORD)
    store.private_path("anna").write_bytes(store.private_path("ben").read_bytes())
    with pytest.raises(UserError, match="does not belong"):
        store.open("anna", PASSWORD)


@pytest.mark.parametrize("damage", ["", "{", '{"name": "anna"}', '{"name":"anna","role":"king","key":{"x":"AA"}}'])
def test_damaged_file_is_named(store: IdentityStore, damage: str) -> None:
    store.create("anna", Role.APPROVER, PASSWORD)
    store.public_path("anna").write_text(damage)
    with pytest.raises(UserError, match=r"anna\.public\.json is damaged"):
        store.open("anna", PASSWORD)


def test_public_key_of_rfc_8037_has_the_published_thumbprint() -> None:
    """RFC 8037, appendix A.3."""
    key = PublicKey(x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_one_key_has_one_spelling_and_one_owner() -> None:
    with pytest.raises(ValueError, match="canonical"):
        PublicKey(x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp")
    key = PublicKey(x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    with pytest.raises(UserError, match="same key"):
        People([Person(name="anna", role=Role.ADMIN, key=key), Person(name="ben", role=Role.VIEWER, key=key)])


def _run(*arguments: str, password: str | None = PASSWORD) -> Result:
    return CliRunner().invoke(people_app, list(arguments), env={"LABWRIGHT_PASSWORD": password})


def test_command_makes_and_lists_identities(tmp_path: Path) -> None:
    made = _run("identity", "new", "anna", "--role", "approver", "--dir", str(tmp_path))
    assert made.exit_code == 0, made.output
    assert "anna.public.json" in made.output
    listed = json.loads(_run("identity", "list", "--json", "--dir", str(tmp_path)).stdout)
    assert [(entry["name"], entry["role"]) for entry in listed] == [("anna", "approver")]
    assert "d" not in listed[0]["key"]


def test_command_without_password_or_terminal_says_what_to_set(tmp_path: Path) -> None:
    result = _run("identity", "new", "anna", "--role", "approver", "--dir", str(tmp_path), password=None)
    assert isinstance(result.exception, UserError)
    assert "LABWRIGHT_PASSWORD" in str(result.exception)
    assert not list(tmp_path.iterdir())
