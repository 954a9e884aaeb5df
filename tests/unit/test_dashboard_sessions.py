"""Sessions end when they should, and bear the role that the laboratory gives at the moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from dashboard_samples import sample_laboratory

from agent.dashboard.door.keys import BusyError, Keys, UnknownKeyError
from agent.dashboard.door.sessions import Roster, Sessions, session_id
from agent.dashboard.door.settings import DoorSettings
from agent.dashboard.door.throttle import Throttle, network_of
from agent.dashboard.door.tokens import FormTokens, ends, logout_token
from agent.dashboard.door.visitor import Visitor
from agent.identity import IdentityStore, KeyPair
from agent.roles import Role
from envs.errors import ConfigError, UserError
from instruments.profile.laboratory import Laboratory, PersonEntry

PASSWORD = "correct horse"  # noqa: S105  # of everybody here


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Lab:
    """A laboratory whose list of people the test changes."""

    def __init__(self) -> None:
        self.laboratory: Laboratory | None = sample_laboratory()

    def __call__(self) -> Laboratory | None:
        return self.laboratory

    @property
    def anna(self) -> PersonEntry:
        assert self.laboratory is not None
        return next(entry for entry in self.laboratory.people if entry.name == "anna")

    def change(self, **changes: object) -> None:
        assert self.laboratory is not None
        anna = self.anna
        people = tuple(e.model_copy(update=changes) if e is anna else e for e in self.laboratory.people)
        self.laboratory = self.laboratory.model_copy(update={"people": people})


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def sessions(hand: Hand, lab: Lab, ended: list[str]) -> Sessions:
    return Sessions(Roster(lab), hand, ended.append, idle_s=100.0, absolute_s=1000.0, per_person=3, in_all=5)


def test_a_session_is_its_owners_with_the_role_that_the_laboratory_gives(sessions: Sessions, lab: Lab) -> None:
    key = sessions.begin("anna", lab.anna.kid)
    assert sessions.visitor(key) == Visitor("anna", Role.APPROVER, key)
    lab.change(role="viewer")
    assert sessions.visitor(key) == Visitor("anna", Role.VIEWER, key)


def test_its_key_is_random_and_kept_as_a_hash_alone(sessions: Sessions, lab: Lab) -> None:
    one, other = sessions.begin("anna", lab.anna.kid), sessions.begin("anna", lab.anna.kid)
    assert one != other
    assert len(one) >= 43  # 256 bits in base64url
    assert one not in repr(vars(sessions))


@pytest.mark.parametrize("key", ["", "guessed"])
def test_nobody_comes_in_with_another_key(sessions: Sessions, key: str) -> None:
    assert sessions.visitor(key) is None


def test_it_ends_when_nobody_does_anything(sessions: Sessions, lab: Lab, hand: Hand, ended: list[str]) -> None:
    key = sessions.begin("anna", lab.anna.kid)
    for _ in range(3):
        hand.now += 90.0
        sessions.touch(key)
    hand.now += 99.0
    assert sessions.visitor(key) is not None, "to be asked who it is, is no use"
    hand.now += 2.0
    assert sessions.visitor(key) is None
    assert ended == [session_id(key)]
    sessions.touch(key)
    assert sessions.visitor(key) is None


def test_it_ends_after_a_shift_however_much_is_done(sessions: Sessions, lab: Lab, hand: Hand) -> None:
    key = sessions.begin("anna", lab.anna.kid)
    for _ in range(20):
        hand.now += 50.0
        sessions.touch(key)
    assert sessions.visitor(key) is not None
    hand.now += 1.0
    assert sessions.visitor(key) is None


def test_a_key_that_is_given_up_ends_it_at_once_and_for_good(sessions: Sessions, lab: Lab) -> None:
    key = sessions.begin("anna", lab.anna.kid)
    lab.change(revoked=datetime(2026, 6, 1, tzinfo=UTC))
    assert sessions.visitor(key) is None
    lab.change(revoked=None)
    assert sessions.visitor(key) is None


def test_a_person_who_vanishes_from_the_list_is_out(sessions: Sessions, lab: Lab) -> None:
    key = sessions.begin("anna", lab.anna.kid)
    assert lab.laboratory is not None
    lab.laboratory = lab.laboratory.model_copy(update={"people": ()})
    assert sessions.visitor(key) is None


def test_while_the_laboratory_says_nothing_nobody_is_in_but_nobody_is_thrown_out(sessions: Sessions, lab: Lab) -> None:
    key = sessions.begin("anna", lab.anna.kid)
    before, lab.laboratory = lab.laboratory, None
    assert sessions.visitor(key) is None
    lab.laboratory = before
    assert sessions.visitor(key) is not None


def test_one_person_has_so_many_and_the_longest_unused_makes_way(sessions: Sessions, lab: Lab, hand: Hand) -> None:
    keys = []
    for _ in range(3):
        hand.now += 1.0
        keys.append(sessions.begin("anna", lab.anna.kid))
    hand.now += 1.0
    sessions.touch(keys[0])
    keys.append(sessions.begin("anna", lab.anna.kid))
    assert [sessions.visitor(key) is not None for key in keys] == [True, False, True, True]


def test_there_are_so_many_in_all(sessions: Sessions, lab: Lab) -> None:
    assert lab.laboratory is not None
    for entry in lab.laboratory.people:
        for _ in range(2):
            sessions.begin(entry.name, entry.kid)
    assert len(sessions) == 5


def test_those_that_are_over_are_swept_out(sessions: Sessions, lab: Lab, hand: Hand, ended: list[str]) -> None:
    sessions.begin("anna", lab.anna.kid)
    hand.now += 200.0
    sessions.sweep()
    assert len(sessions) == 0
    assert len(ended) == 1


# ---- Tries


def test_after_five_wrong_tries_each_further_one_waits_longer_up_to_a_minute(hand: Hand) -> None:
    throttle = Throttle(hand)
    assert [throttle.begin("anna", "10.0.0.1") for _ in range(5)] == [0.0] * 5
    waits = []
    for _ in range(8):
        waits.append(throttle.begin("anna", "10.0.0.1"))
        hand.now += waits[-1]
        assert throttle.begin("anna", "10.0.0.1") == 0.0
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_name_is_kept_out_from_everywhere_however_it_is_written(hand: Hand) -> None:
    throttle = Throttle(hand)
    for i in range(5):
        throttle.begin("anna", f"10.0.0.{i}")
    assert throttle.begin("ANNA", "10.9.9.9") > 0
    assert throttle.begin("ben", "10.9.9.9") == 0.0


def test_an_address_that_tries_many_names_waits_up_to_a_quarter_of_an_hour(hand: Hand) -> None:
    throttle = Throttle(hand)
    for i in range(60):
        hand.now += throttle.begin(f"name{i}", "10.0.0.1")
    assert throttle.begin("other", "10.0.0.1") > 500.0
    assert throttle.begin("other", "10.0.0.2") == 0.0


def test_a_right_try_lets_the_name_go_and_an_hour_forgets_all(hand: Hand) -> None:
    throttle = Throttle(hand)
    for _ in range(4):
        throttle.begin("anna", "10.0.0.1")
    throttle.begin("anna", "10.0.0.1")
    throttle.passed("anna", "10.0.0.1")
    assert throttle.begin("anna", "10.0.0.1") == 0.0
    for _ in range(5):
        throttle.begin("ben", "10.0.0.1")
    assert throttle.begin("ben", "10.0.0.1") > 0
    hand.now += 3601.0
    assert throttle.begin("ben", "10.0.0.1") == 0.0


def test_it_remembers_a_bounded_number(hand: Hand) -> None:
    throttle = Throttle(hand, entries=100)
    for i in range(1000):
        throttle.begin(f"name{i}", f"10.0.{i // 250}.{i % 250}")
    assert len(throttle._names._tries) == len(throttle._addresses._tries) == 100


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("testclient", "testclient"),
    ],
)
def test_what_one_person_has_of_addresses_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


# ---- Keys and forms


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    store = IdentityStore(tmp_path, cost=2**4)
    store.create("anna", Role.APPROVER, PASSWORD)
    return store


def pair_of(store: IdentityStore, name: str = "anna") -> KeyPair:
    return KeyPair(store.public_path(name).read_bytes(), store.private_path(name).read_bytes())


def test_a_key_of_this_machine_is_opened_by_its_password_alone(store: IdentityStore) -> None:
    keys = Keys(store.directory)
    assert keys.open(Visitor("anna", Role.APPROVER, "s"), PASSWORD).kid == store.person("anna").key.kid
    with pytest.raises(UserError, match="wrong password"):
        keys.open(Visitor("anna", Role.APPROVER, "s"), "another horse")
    with pytest.raises(UnknownKeyError, match="log in with your key's files"):
        keys.open(Visitor("ben", Role.APPROVER, "s"), PASSWORD)


def test_a_key_that_was_brought_is_there_until_its_session_ends(store: IdentityStore, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "elsewhere")
    keys.bring("session", pair_of(store))
    visitor = Visitor("anna", Role.APPROVER, "session")
    assert keys.open(visitor, PASSWORD).name == "anna"
    with pytest.raises(UserError, match="wrong password"):
        keys.open(visitor, "another horse")
    keys.forget(session_id("session"))
    with pytest.raises(UnknownKeyError):
        keys.open(visitor, PASSWORD)


def test_files_of_two_people_or_of_none_are_no_key(store: IdentityStore) -> None:
    store.create("ben", Role.APPROVER, PASSWORD)
    public, private = store.public_path("anna").read_bytes(), store.private_path("ben").read_bytes()
    with pytest.raises(UserError, match="two people: anna and ben"):
        KeyPair(public, private)
    with pytest.raises(UserError, match="damaged or no identity"):
        KeyPair(private, public)


def test_a_file_cannot_ask_for_more_memory_than_keys_need(store: IdentityStore) -> None:
    private = store.private_path("anna").read_text().replace('"n": 16', f'"n": {2**20}')
    with pytest.raises(UserError, match="more memory"):
        KeyPair(store.public_path("anna").read_bytes(), private.encode())


def test_only_so_many_keys_are_opened_and_wait_at_one_time(store: IdentityStore) -> None:
    keys = Keys(store.directory, at_once=1, queue=0)
    assert keys._places.acquire(blocking=False)
    with pytest.raises(BusyError, match="try again"):
        keys.open_here("anna", PASSWORD)
    keys._places.release()
    assert keys.open_here("anna", PASSWORD).name == "anna"


def test_a_form_counts_for_the_browser_that_was_given_it() -> None:
    tokens = FormTokens()
    one, other = tokens.new_browser(), tokens.new_browser()
    assert tokens.fits(one, tokens.of(one))
    assert not tokens.fits(one, tokens.of(other))
    assert not tokens.fits("", tokens.of(""))
    assert not tokens.fits(one, "é")
    assert not tokens.fits(one, FormTokens().of(one))
    assert ends("session", logout_token("session"))
    assert not ends("session", logout_token("other"))
    assert not ends("", logout_token(""))


@pytest.mark.parametrize(
    "wanted",
    [
        "", "https://evil.example/dashboard/", "//evil.example/dashboard/", "/\\evil.example",
        "/dashboard/\\evil.example", "/dashboard/%2e%2e/x", "/dashboard/a/%2E./%2e%2e/x",
        "/elsewhere", "/dashboardish", "/dashboard/login", "/dashboard/logout", "/dashboard/../elsewhere",
        "/dashboard/\r\nset-cookie: a=b", "javascript:alert(1)", "/dashboard\t//evil.example",
    ],
)  # fmt: skip
def test_a_login_leads_to_the_dashboards_own_pages_alone(wanted: str) -> None:
    assert DoorSettings().own(wanted) == "/dashboard/"


@pytest.mark.parametrize("wanted", ["/dashboard", "/dashboard/", "/dashboard/proposals/hard-P001?part=why"])
def test_a_login_leads_to_the_page_that_was_wanted(wanted: str) -> None:
    assert DoorSettings().own(wanted) == wanted


def test_at_the_root_a_path_of_two_slashes_is_another_site() -> None:
    assert DoorSettings(prefix="").own("//evil.example/") == "/"
    assert DoorSettings(prefix="").own("/proposals") == "/proposals"


@pytest.mark.parametrize("prefix", ["dashboard", "/dashboard/", "/a b", "/<script>"])
def test_a_prefix_is_a_path(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        DoorSettings(prefix=prefix)
