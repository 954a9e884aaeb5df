"""The dashboard as processes of its own, at a real broker: beside an agent, and apart."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from patience import needs_mosquitto, until

from agent.identity import IdentityStore, Person
from agent.roles import Role
from instruments.address import BrokerAddress
from instruments.broker import free_port, local_broker
from instruments.brokers.access import Access
from instruments.brokers.store import BrokerStore
from instruments.mqtt import MqttTransport
from instruments.profile.laboratory import Laboratory, PersonEntry, RecordState
from instruments.profile.questions import Answer, Question
from instruments.topics import Lab
from instruments.transport import Message

pytestmark = needs_mosquitto
LAB = Lab("labwright", "lab")
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
BROWSER = {"accept": "text/html"}
PASSWORD = "correct horse battery"  # noqa: S105
WITHIN_S = 40.0


class Process:
    """A command of ours that runs until it is told to stop."""

    def __init__(self, *words: str, said: IO[str], cwd: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LABWRIGHT")} | {"OMP_NUM_THREADS": "1"}
        code = "from agent.cli import main; main()"
        self._said = Path(said.name)
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code, *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=cwd,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip

    def until_said(self, pattern: str) -> str:
        """What it says, by the pattern's group."""
        ends = time.monotonic() + WITHIN_S
        while time.monotonic() < ends:
            if found := re.search(pattern, self._said.read_text()):
                return found[1]
            assert self._process.poll() is None, self._said.read_text()
            time.sleep(0.02)
        raise AssertionError(self._said.read_text())

    def stop(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """Its exit status, and how long it took."""
        began = time.monotonic()
        self._process.send_signal(number)
        return self._process.wait(WITHIN_S), time.monotonic() - began

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextmanager
def process(tmp_path: Path, *words: str) -> Iterator[Process]:
    with (tmp_path / "said").open("w") as said:
        running = Process(*words, said=said, cwd=tmp_path)
        try:
            yield running
        finally:
            running.end()


@pytest.fixture
def identities(tmp_path: Path) -> Path:
    IdentityStore(tmp_path / "ids", cost=2**10).create("anna", Role.ADMIN, PASSWORD)
    return tmp_path / "ids"


def login(base: str) -> httpx.Response:
    """What a browser sees that asks for nothing in particular."""
    answer = httpx.get(f"{base}/", headers=BROWSER, follow_redirects=True, trust_env=False)
    assert answer.status_code == 200
    assert answer.url.path == "/dashboard/login"
    assert 'type="password"' in answer.text
    return answer


def test_apart_it_starts_without_a_broker_and_takes_it_when_it_comes(tmp_path: Path, identities: Path) -> None:
    port = free_port()
    access = Access.new(LAB, persons=("anna",), dashboards=("pages",))
    url = f"mqtt://pages:{access.user('pages').password}@127.0.0.1:{port}"
    words = ("dashboard", "--broker", url, "--lab", "lab", "--port", "0", "--dir", str(identities))
    with process(tmp_path, *words) as pages:
        base = pages.until_said(r"The dashboard of lab: (http://127\.0\.0\.1:\d+)/dashboard")
        assert access.user("pages").password not in (tmp_path / "said").read_text()
        login(f"{base}/dashboard")
        with local_broker(access, kind="mosquitto", port=port) as broker:
            asyncio.run(told(broker.address("agent"), IdentityStore(identities).person("anna")))
            log_in(f"{base}/dashboard")
        status, took = pages.stop()
        assert status == 0
        assert took < 8.0


async def told(address: BrokerAddress, person: Person) -> None:
    """An agent says who there is: a login is judged by that alone."""
    lab = Laboratory(
        lab="lab", agent="agent", boot_id="b1", seq=0, ts=NOW, wall=NOW, mode="virtual", record=RecordState(entries=0),
        people=(PersonEntry(name=person.name, role="admin", kid=person.key.kid, x=person.key.x),),
    )  # fmt: skip
    agent = MqttTransport(address, client_id="agent")
    await agent.connect()
    await agent.publish(LAB.agent_lab("agent"), lab.to_bytes(), retain=True)
    await agent.close()


def log_in(base: str) -> None:
    """By the form, as a browser does; until what the broker keeps has come."""
    ends = time.monotonic() + WITHIN_S
    with httpx.Client(trust_env=False, follow_redirects=False, headers=BROWSER) as client:
        while time.monotonic() < ends:
            form = client.get(f"{base}/login").text
            token = re.search(r'name="csrf" value="([^"]*)"', form)
            assert token
            fields = {"csrf": token[1], "next": "", "name": "anna", "password": PASSWORD}
            answer = client.post(f"{base}/login", data=fields, headers={"origin": base.removesuffix("/dashboard")})
            if answer.status_code == 303:
                page = client.get(f"{base}/proposals")
                assert (page.status_code, "text/html" in page.headers["content-type"]) == (200, True)
                return
            time.sleep(1.0)
    raise AssertionError(answer.text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "give --certificate FILE --key FILE, or --plain"),  # noqa: S104
        (("--broker", "mqtt://a@b", "--state", "x"), "give one of them"),
        ((), "which laboratory"),
        (("--broker", "http://b"), "mqtt"),
    ],
)
def test_a_wrong_request_is_one_clear_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "x").mkdir()
    code = "from agent.cli import main; main()"
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, "dashboard", *words], capture_output=True, text=True, cwd=tmp_path, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("LABWRIGHT")}
        | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert found.returncode == 2
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['nicegui'] = None; from agent.cli import main; main()"
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, "dashboard", "--broker", "mqtt://a:b@c"], capture_output=True, text=True,
        cwd=tmp_path, check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert found.returncode == 2
    assert "labwright[dashboard]" in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_virtual_laboratory_has_its_pages_and_answers_questions(tmp_path: Path, identities: Path) -> None:
    words = ("run", "--virtual", "--state", str(tmp_path / "lab"), "--dir", str(identities), "--strategy", "random")
    with process(tmp_path, *words) as agent:
        base = agent.until_said(r'"http": "(http://127\.0\.0\.1:\d+)"')
        agent.until_said(r"(the dashboard is up)")
        login(base)
        assert httpx.get(base, trust_env=False).json()["links"]["dashboard"] == "/dashboard/"
        pid = agent.until_said(r"(ceramics-P001) waits for a decision")
        asked = [
            {"about": "audit", "subject": pid},
            {"about": "verify"},
            {"about": "preview", "proposal": pid},
            {"about": "picture", "sha256": "0" * 64},
        ]
        audit, verify, preview, picture = asyncio.run(answers(tmp_path / "lab", asked))
        assert [entry.kind for entry in audit.entries] == ["proposal.made"]
        assert verify.verification is not None
        assert verify.verification.whole
        assert preview.preview is not None
        assert preview.preview.duration is not None
        assert "knows no file" in picture.refused
        assert agent.stop()[0] == 0
    assert "dashboard failed" not in (tmp_path / "said").read_text()


def _more_than(found: list[Answer], n: int) -> bool:
    return len(found) > n


async def answers(state: Path, asked: list[dict[str, Any]]) -> list[Answer]:
    """Ask as the dashboard, one after the other."""
    known = BrokerStore(state / "broker").load()
    assert known is not None
    user = next(u for u in known.users if u.role == "dashboard")
    address = BrokerAddress("127.0.0.1", known.port, user.name, user.password.get_secret_value())
    transport, found = MqttTransport(address, client_id="asks"), list[Answer]()

    async def note(message: Message) -> None:
        found.append(Answer.model_validate_json(message.payload))

    await transport.subscribe(known.topics.pattern("answer"), note)
    await transport.connect()
    try:
        for n, fields in enumerate(asked):
            question = Question.model_validate({"lab": known.lab, "question": f"q{n}", **fields})
            await transport.publish(known.topics.question("anna", f"q{n}"), question.to_bytes())
            await until(partial(_more_than, found, n), within_s=WITHIN_S)
    finally:
        await transport.close()
    return found


def test_a_laboratory_that_wants_no_pages_has_none(tmp_path: Path) -> None:
    (tmp_path / "LAB.toml").write_text(
        '[lab]\nname = "hall"\n[broker]\nembedded = true\n[http]\nport = 0\n[dashboard]\nenabled = false\n'
        '[[campaign]]\nid = "hard"\nstrategy = "random"\n'
    )
    with process(tmp_path, "run", str(tmp_path / "LAB.toml")) as agent:
        base = agent.until_said(r'"http": "(http://127\.0\.0\.1:\d+)"')
        assert "dashboard" not in httpx.get(base, headers=BROWSER, trust_env=False).json()["links"]
        assert httpx.get(f"{base}/dashboard/", trust_env=False).status_code == 404
        users = json.loads((tmp_path / "state" / "broker" / "credentials.json").read_text())["users"]
        assert [user["role"] for user in users] == ["agent"]
        assert agent.stop()[0] == 0
