"""What ``labwright instrument check`` does."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape

from agent.instrument_look import ANSWER_S, Look
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.clock import SystemClock
from instruments.conformance.evidence import RESTART_S, Options
from instruments.conformance.report import Report
from instruments.conformance.run import AbsentDeviceError, check_device
from instruments.ids import SystemIds
from instruments.messages import Value
from instruments.mqtt import MqttTransport
from instruments.profile.legibility import fault_of
from instruments.topics import Lab
from instruments.transport import Transport


def check(iid: str, address: BrokerAddress, *, lab: str, root: str, options: Options) -> Report:
    """Try every rule of the profile on one device at a broker.

    Raises:
        TransportError: no broker is there, or it refuses.
        UserError: the device is not on the bus or offline, it has no such command, or this user may not order.
    """
    ids, clock = SystemIds(), SystemClock()
    name = f"check-{ids.new()}"

    def connect(client_id: str) -> Transport:
        return MqttTransport(address, client_id=client_id)

    # Seconds, or minutes with an instrument's own pace: who waits at a terminal sees what is tried.
    console = Console(stderr=True)

    async def work() -> Report:
        await _look_first(iid, address, Lab(root, lab), connect(f"{name}-look"), f"{name}-look")
        async with _uploads(address, options) as complete:
            return await check_device(
                iid,
                connect,
                lab=lab,
                root=root,
                clock=clock,
                ids=ids,
                options=complete,
                name=name,
                tell=lambda rule: status.update(f"{rule.id}  {escape(rule.demand)}"),
            )

    with console.status(f"looking for {iid}") as status:
        return asyncio.run(work())


async def _look_first(iid: str, address: BrokerAddress, topics: Lab, transport: Transport, name: str) -> None:
    """See that what the rules will find is the device's own doing.

    Raises:
        TransportError: no broker is there, or it refuses.
        UserError: the device is not on the bus or offline, or this user may not order.
    """
    topics.desc(iid)  # a name that cannot be a topic is said before anything is asked
    await transport.connect()
    try:
        look = Look(transport, topics, iid, name)
        await look.around()
        # One that forgets the retained flag may answer all the same.
        there = not look.may_order or await look.within(ANSWER_S, lambda: bool(look.kept))
        others = () if there else await look.others()
    finally:
        await transport.close()
    if not there:
        raise AbsentDeviceError(iid, others)
    if look.offline:
        raise UserError(f"{iid} is offline: start it, and check it then")
    if not look.may_order:
        who = f"the user {address.username!r}" if address.username else "a user without a name"
        raise UserError(
            f"{who} may not order in the laboratory {topics.lab!r} at {address.url}: nothing that is sent to "
            f"instruments there is passed on; log in as an agent, and see that --lab and --root are right"
        )


@asynccontextmanager
async def _uploads(address: BrokerAddress, options: Options) -> AsyncIterator[Options]:
    """Options with upload tickets, where devices of this machine can use them and the server is installed."""
    if not address.on_loopback or any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        yield options
        return
    from instruments.bulk.server import serve_artefacts
    from instruments.bulk.store import ArtefactStore
    from instruments.bulk.tickets import Tickets

    with TemporaryDirectory(prefix="labwright-check-") as directory:
        store, tickets = ArtefactStore(Path(directory)), Tickets(secrets.token_bytes(32), SystemClock())
        async with serve_artefacts(store, tickets) as server:
            own = replace(options.sources, own=(server.uri, store))
            yield replace(options, ticket=server.ticket, sources=own)


def print_report(report: Report, address: BrokerAddress, *, lab: str, as_json: bool) -> None:
    """Print the table; with JSON that alone is on standard output, and the table on standard error."""
    from instruments.conformance.table import show

    show(report, place=f"{address.url}, lab {lab}", console=Console(stderr=as_json))
    if as_json:
        print(report.to_json())  # noqa: T201


def read_parameters(text: str) -> Mapping[str, Value]:
    """The parameters of an order, from ``--parameters``.

    Raises:
        UserError: when the text is not a JSON object of quantities and words.
    """
    try:
        given = json.loads(text)
        return TypeAdapter(dict[str, Value]).validate_python(given, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in {"Quantity", "str"})
        where = f"--parameters: {where}" if where else "--parameters"
        raise UserError(f"{where}: {fault_of(first)}; write quantities as {_FORM}") from error
    except ValueError as error:
        raise UserError(f"--parameters is not JSON: {error}; write {_FORM}") from error


_FORM = '\'{"temperature": {"value": 200, "unit": "Cel"}, "sample": "blank"}\''


def restarter(command: str, *, within_s: float = RESTART_S) -> Callable[[], Awaitable[None]]:
    """Runs a shell command that restarts the device; it may return before the device is back, but it must return.

    Args:
        command: for the shell.
        within_s: how long it may take, in seconds; then it is ended.
    """

    async def restart() -> None:
        child = await asyncio.create_subprocess_shell(command, stdin=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(within_s):
                code = await child.wait()
        except TimeoutError as error:
            raise UserError(
                f"--restart: {command!r} had not ended after {within_s:g} s: have it return once the restart is on its "
                "way, with what stays running in the background"
            ) from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if code:
            raise UserError(f"--restart: {command!r} ended with exit code {code}: the device was not restarted")

    return restart
