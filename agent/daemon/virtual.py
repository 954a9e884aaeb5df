"""The virtual laboratory as the daemon has it: a process beside it, on the same lab time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.daemon.children import Child
from agent.daemon.lab_clock import LabClock
from agent.daemon.virtual_section import VIRTUAL_INSTRUMENTS
from instruments.address import BrokerAddress
from instruments.bulk.fetch import Sources


@dataclass(frozen=True)
class VirtualOrders:
    """What the child is told.

    Args:
        addresses: the broker with the user of each instrument, by instrument id.
        seed: of the hidden truth.
        directory: samples, images and job journals.
        lab: the laboratory's id.
        root: first level of all topics.
        speed: seconds of lab time in a real one.
        anchor: of the daemon's clock, as text.
        fault_rate: share of orders that meet a fault, 0 to 1.
        fault_seed: of the draws of faults.
    """

    addresses: Mapping[str, BrokerAddress]
    seed: int
    directory: Path
    lab: str
    root: str
    speed: float
    anchor: str
    fault_rate: float = 0.0
    fault_seed: int = 0

    def to_dict(self) -> dict[str, object]:
        """Plain form, with the passwords; ``from_dict`` is its inverse."""
        return {
            "addresses": {iid: _address_to_dict(address) for iid, address in self.addresses.items()},
            "seed": self.seed,
            "directory": str(self.directory.absolute()),
            "lab": self.lab,
            "root": self.root,
            "speed": self.speed,
            "anchor": self.anchor,
            "fault_rate": self.fault_rate,
            "fault_seed": self.fault_seed,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> VirtualOrders:
        """Read what ``to_dict`` wrote.

        Raises:
            KeyError: when something is missing.
            ConfigError: when an address is wrong.
        """
        addresses = {str(iid): _address_from_dict(a) for iid, a in data["addresses"].items()}
        return VirtualOrders(
            addresses,
            int(data["seed"]),
            Path(data["directory"]),
            str(data["lab"]),
            str(data["root"]),
            float(data["speed"]),
            str(data["anchor"]),
            float(data["fault_rate"]),
            int(data["fault_seed"]),
        )


@dataclass(frozen=True)
class VirtualLaboratory:
    """The virtual instruments, up.

    Attributes:
        instruments: their ids.
        sources: where their images lie: nothing else of this machine need be read for them.
        child: their process.
    """

    instruments: tuple[str, ...]
    sources: Sources
    child: Child


@asynccontextmanager
async def virtual_laboratory(
    address: Callable[[str], BrokerAddress],
    *,
    directory: Path,
    clock: LabClock,
    seed: int,
    lab: str,
    root: str = "labwright",
    instruments: Sequence[str] = VIRTUAL_INSTRUMENTS,
    fault_rate: float = 0.0,
    fault_seed: int = 0,
    on_line: Callable[[str], None],
) -> AsyncIterator[VirtualLaboratory]:
    """Run the virtual laboratory in a process of its own while the context lasts.

    It dies with this process, whatever ends that, and is started again when it dies alone; ``child.failed()`` returns
    when it is given up.

    Args:
        address: the broker, with the user that each instrument is, by its id.
        directory: where samples, images and job journals persist.
        clock: the daemon's: both sides then tell the same lab time, at its speed.
        seed: of the hidden truth.
        lab: the laboratory's id.
        root: first level of all topics.
        instruments: ids of those that it has.
        fault_rate: share of orders that meet a fault, 0 to 1.
        fault_seed: of the draws of faults.
        on_line: told what the process writes.

    Raises:
        ChildError: it could not be started; with what it said.
    """
    orders = VirtualOrders(
        {iid: address(iid) for iid in instruments}, seed, directory, lab, root, clock.speed, clock.anchor.to_text(),
        fault_rate, fault_seed,
    )  # fmt: skip
    child = Child("the virtual laboratory", "agent.virtual_lab", orders.to_dict(), on_line=on_line)
    told = await child.start()
    try:
        there = tuple(map(str, told["instruments"]))
        yield VirtualLaboratory(there, Sources(directories=[Path(told["images"])]), child)
    finally:
        await child.stop()


def _address_to_dict(address: BrokerAddress) -> dict[str, object]:
    tls = address.tls
    files = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key} if tls else {}
    return {"url": address.url_with_password, **{name: str(file) for name, file in files.items() if file is not None}}


def _address_from_dict(data: Mapping[str, str]) -> BrokerAddress:
    ca, certificate, key = (Path(data[name]) if name in data else None for name in ("ca", "certificate", "key"))
    return BrokerAddress.from_url(data["url"], ca=ca, certificate=certificate, key=key)
