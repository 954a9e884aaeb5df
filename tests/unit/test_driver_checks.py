"""What is wrong with a driver is said before it runs, naming the command or the attribute."""

import asyncio
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest

from envs.errors import UserError
from instruments.clock import SimClock
from instruments.commands import CommandSpec
from instruments.declare import Instrument
from instruments.device import BlockingJob, Channel, Device, Parameter, command
from instruments.driving.driver_check import check_device
from instruments.ids import SeededIds
from instruments.local import LocalBus

Volume = Annotated[float, Parameter("mL", 0.0, 5.0)]


def no_rule(job: BlockingJob, *, t: float) -> None: ...
def no_job(*, t: Volume) -> None: ...
def job_forgotten(t: Volume) -> None: ...
def all_good(job: BlockingJob, t: Volume, hidden: int = 0) -> None: ...
def anything(job: BlockingJob, **given: float) -> None: ...


class Methods:
    def no_rule(self, job: BlockingJob, *, t: float) -> None: ...
    def no_job(self, *, t: Volume) -> None: ...
    def job_forgotten(self, t: Volume) -> None: ...
    def all_good(self, job: BlockingJob, t: Volume, hidden: int = 0) -> None: ...


WRONG = [
    ("no_rule", None, r"command no_rule: t has no rule"),
    ("no_job", None, r"command no_job: its function takes no job: write def no_job\("),
    ("job_forgotten", None, r"command job_forgotten: its function takes no job"),
    ("all_good", {"volume": Parameter("mL", 0.0, 5.0)}, r"all_good: t has no rule"),
    (
        "all_good",
        {"t": Parameter("mL", 0.0, 5.0), "volume": Parameter("mL", 0.0, 5.0)},
        r"does not take volume, for which there is a rule",
    ),
]


@pytest.mark.parametrize(("name", "rules", "message"), WRONG)
def test_a_function_that_no_order_could_call_is_refused_where_it_is_declared(
    name: str, rules: dict[str, Parameter] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Instrument("pump").command(summary="x", parameters=rules)(globals()[name])
    with pytest.raises(ValueError, match=message):
        command(summary="x", parameters=rules)(getattr(Methods, name))


def test_good_functions_and_those_that_take_anything_are_let_through() -> None:
    Instrument("pump").command(summary="x")(all_good)
    Instrument("pump").command(summary="x", parameters={"t": Parameter("mL", 0.0, 5.0)})(anything)
    command(summary="x")(Methods.all_good)


def made(owner: type[Device]) -> Device:
    clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
    return owner("pump-1", LocalBus().transport(), lab="demo", clock=clock, ids=SeededIds(clock, random.Random(1)))


def test_a_registered_function_is_checked_too() -> None:
    with pytest.raises(ValueError, match="takes no job"):
        made(Device).register(CommandSpec("go", "x"), lambda: None)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"kind": ""}, r"pump-1: its driver declares kind = ''"),
        ({"lease_s": -1.0}, r"pump-1: its driver declares lease_s = -1.0: input should be greater than 0"),
        ({"max_concurrency": 0}, r"max_concurrency = 0"),
        ({"channels": {"t": Channel("Cel", period_s=1.0, read="nomethod")}}, r"channel t is read by nomethod\(\)"),
        ({"channels": {"a b": Channel("Cel")}}, r"channels.a b"),
    ],
)
def test_what_a_driver_declares_wrongly_is_named(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_device(made(type("Pump", (Device,), attributes)))
    check_device(made(Device))


@pytest.mark.parametrize("plain", [True, False])
def test_a_drivers_own_connection_may_be_plain_functions_which_run_beside_the_loop(plain: bool) -> None:
    told: list[tuple[str, bool]] = []

    def hook(name: str) -> Callable[[Device], Any]:
        def note(_self: Device) -> None:
            told.append((name, threading.current_thread() is threading.main_thread()))

        async def anote(self: Device) -> None:
            note(self)

        return note if plain else anote

    hooks = {name: hook(name) for name in ("open", "make_safe", "shut")}
    owner: type[Device] = type("Pump", (Device,), {**hooks, "lease_s": 60.0, "safe_state": "off"})

    async def live() -> None:
        device = made(owner)
        await device.start()
        assert device.presence == ("online", "")
        await asyncio.wait_for(device.heard_itself.wait(), 1.0)
        await device.stop()

    asyncio.run(live())
    assert told == [(name, not plain) for name in ("open", "make_safe", "shut")]
