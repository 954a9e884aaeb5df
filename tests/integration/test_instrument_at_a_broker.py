"""``labwright instrument forget`` and ``check`` at a broker with an access list: who is there, and who may do what."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner, Result

from agent import instrument_look
from agent.cli import app
from envs.errors import UserError
from instruments.broker import LocalBroker, find_mosquitto, local_broker
from instruments.brokers.access import Access
from instruments.clock import SystemClock
from instruments.device import Device, JobContext, command
from instruments.errors import TransportError
from instruments.ids import SystemIds
from instruments.messages import Presence, Status
from instruments.mqtt import MqttTransport
from instruments.topics import Lab

LAB = Lab("labwright", "lab")


class Supply(Device):
    kind = "supply"

    @command(summary="Nothing at all", example={})
    async def rest(self, job: JobContext) -> None:
        """As it says."""


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    if find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    access = Access.new(LAB, instruments=("psu", "other"), persons=("anna",))
    with local_broker(access, kind="mosquitto") as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instrument_look, "ANSWER_S", 0.5)


def labwright(broker: LocalBroker, user: str, *arguments: str) -> Result:
    line = ["instrument", *arguments, "--broker", broker.address(user).url_with_password]
    return CliRunner().invoke(app, line)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, UserError), result.output  # main() makes it exit code 2
    return str(result.exception)


def with_supply(broker: LocalBroker, act: Callable[[Supply], Awaitable[None]]) -> None:
    async def run() -> None:
        transport = MqttTransport(broker.address("psu"), client_id="psu")
        supply = Supply("psu", transport, lab="lab", clock=SystemClock(), ids=SystemIds())
        await supply.start()
        try:
            await act(supply)
        finally:
            await supply.stop()

    asyncio.run(run())


def say(broker: LocalBroker, state: Presence, message: str = "") -> None:
    """Put a status on the bus in the instrument's name."""

    async def run() -> None:
        transport = MqttTransport(broker.address("psu"), client_id="psu-says")
        await transport.connect()
        boot = SystemIds().new()
        status = Status(state=state, boot_id=boot, seq=1, ts=datetime.now(UTC), message=message)
        await transport.publish(LAB.status("psu"), status.to_bytes(), retain=True)
        await transport.close()

    asyncio.run(run())


def test_one_that_has_left_is_forgotten_and_one_that_is_online_is_not(broker: LocalBroker) -> None:
    async def act(_supply: Supply) -> None:
        told = await asyncio.to_thread(labwright, broker, "agent", "forget", "psu")
        assert "psu is online" in refusal(told)

    with_supply(broker, act)
    assert [one["iid"] for one in json.loads(labwright(broker, "agent", "list", "--json").stdout)] == ["psu"]
    assert "keeps nothing of psu" in refusal(labwright(broker, "other", "forget", "psu"))
    assert "were not cleared: log in as an agent" in refusal(labwright(broker, "anna", "forget", "psu"))
    gone = labwright(broker, "agent", "forget", "psu")
    assert gone.exit_code == 0, gone.output
    assert "psu is forgotten: 2 topics cleared." in gone.output
    assert json.loads(labwright(broker, "agent", "list", "--json").stdout) == []
    assert "keeps nothing of psu" in refusal(labwright(broker, "agent", "forget", "psu"))


def test_a_name_that_is_none_is_said(broker: LocalBroker) -> None:
    assert "'a/b' cannot be a topic level" in refusal(labwright(broker, "agent", "forget", "a/b"))


def test_one_whose_broker_died_with_it_is_forgotten_too(broker: LocalBroker) -> None:
    """Its last status says online, but it does not answer."""
    say(broker, "online")
    assert "psu is forgotten: 1 topic cleared." in labwright(broker, "agent", "forget", "psu").output


# Checking -----------------------------------------------------------------------------------------------------------


def test_a_check_of_one_that_is_offline_says_so_at_once(broker: LocalBroker) -> None:
    say(broker, "offline")
    assert refusal(labwright(broker, "agent", "check", "psu")) == "psu is offline: start it, and check it then"
    labwright(broker, "agent", "forget", "psu")
    assert "psu is not on the bus" in refusal(labwright(broker, "agent", "check", "psu"))


def test_a_user_who_may_not_order_is_told_instead_of_blaming_the_device(broker: LocalBroker) -> None:
    async def act(_supply: Supply) -> None:
        for user in ("anna", "psu", "other"):
            told = await asyncio.to_thread(labwright, broker, user, "check", "psu")
            assert f"the user '{user}' may not order in the laboratory 'lab'" in refusal(told)

    with_supply(broker, act)


def test_json_is_alone_on_standard_output(broker: LocalBroker) -> None:
    async def act(_supply: Supply) -> None:
        told = await asyncio.to_thread(labwright, broker, "agent", "check", "psu", "--quick", "--json")
        assert (told.exit_code, json.loads(told.stdout)["failed"]) == (0, 0)
        assert "the profile demands" in told.stderr

    with_supply(broker, act)


@pytest.mark.parametrize("command", [["list"], ["check", "psu"], ["forget", "psu"]])
def test_a_wrong_password_is_the_same_failure_for_all(broker: LocalBroker, command: list[str]) -> None:
    url = broker.address("agent").url_with_password.replace(broker.address("agent").password, "wrong")
    told = CliRunner().invoke(app, ["instrument", *command, "--broker", url])
    assert isinstance(told.exception, TransportError), told.output  # main() makes it exit code 1
    assert "wrong" not in str(told.exception)
