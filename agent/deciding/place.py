"""Which laboratory a person means: from options, the environment, or what a running agent left beside its state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.connection import DEFAULT_LAB, broker_address
from agent.deciding.asked import BROKER, DIRECTORIES, LAB, ROOT, STATE, Asked
from agent.identity import explain
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.messages import Name
from instruments.profile.decisions import PersonName
from instruments.topics import Lab

_MAX_FILE = 65536


class RunFile(BaseModel):
    """``STATE/run/NAME.json``: how a person on the agent's own machine gets to its broker.

    Attributes:
        broker: its URL, without user and password.
        lab: the laboratory.
        user: the person.
        password: at the broker; it opens no key.
        root: first level of all topics.
        ca: file of the authority that signed the broker's certificate; empty where it has none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    broker: str
    lab: Name
    user: PersonName
    password: str = Field(repr=False)
    root: Name = ROOT
    ca: str = ""

    def write(self, state: Path) -> Path:
        """Leave it in a state directory, for its owner's eyes only.

        Raises:
            UserError: it cannot be written.
        """
        path = state / "run" / f"{self.user}.json"
        spare = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spare.unlink(missing_ok=True)
            descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(self.model_dump_json(indent=2) + "\n")
            spare.replace(path)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        return path

    @classmethod
    def read(cls, path: Path) -> RunFile:
        """Read one.

        Raises:
            UserError: it cannot be read, or is damaged.
        """
        try:
            with path.open("rb") as handle:
                return cls.model_validate_json(handle.read(_MAX_FILE))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise UserError(f"{path} is damaged: {explain(error)}; a restart of the agent writes it anew") from error


@dataclass(frozen=True)
class Place:
    """A laboratory at its broker, as one user sees it.

    Args:
        address: with the user's name and password.
        topics: of the laboratory.
    """

    address: BrokerAddress
    topics: Lab


def find_place(
    asked: Asked, users: tuple[str, ...], *, environment: Mapping[str, str] | None = None, here: Path = Path()
) -> Place:
    """The laboratory that is meant.

    Args:
        asked: on the command line; it goes before the environment, and that before what lies around.
        users: who may be meant; the agent must have left something for exactly one of them. Empty where anybody will
            do.
        environment: the process's own by default.
        here: where directories are looked for.

    Raises:
        UserError: nothing says where the broker is, or two things do, or it cannot be told who is meant.
        ConfigError: the address is wrong.
    """
    variables = os.environ if environment is None else environment
    if asked.broker and asked.state:
        raise UserError("--broker and --state both say where the laboratory is: give one of them")
    url = asked.broker or ("" if asked.state else variables.get(BROKER, ""))
    if url:
        lab = asked.lab or variables.get(LAB, "") or DEFAULT_LAB
        address = broker_address(url, ca=asked.ca, cert=asked.cert, key=asked.key, environment=variables)
        return Place(address, Lab(asked.root, lab))
    found = _run_file(find_state(asked.state, environment=variables, here=here), users)
    if asked.lab and asked.lab != found.lab:
        raise UserError(f"the agent there runs the laboratory {found.lab!r}, not {asked.lab!r}")
    ca = Path(found.ca) if found.ca else asked.ca
    bare = BrokerAddress.from_url(found.broker, ca=ca, certificate=asked.cert, key=asked.key)
    address = BrokerAddress(bare.host, bare.port, found.user, found.password, tls=bare.tls)
    return Place(address, Lab(found.root, found.lab))


def find_state(given: Path | None, *, environment: Mapping[str, str] | None = None, here: Path = Path()) -> Path:
    """The state directory that is meant.

    Raises:
        UserError: none is named, and none lies here.
    """
    variables = os.environ if environment is None else environment
    named = given or (Path(variables[STATE]) if variables.get(STATE) else None)
    if named is not None:
        if not named.is_dir():
            raise UserError(f"there is no directory {named}: a laboratory's state was expected there")
        return named
    for name in DIRECTORIES:
        if (here / name).is_dir():
            return here / name
    raise UserError(
        f"which laboratory? Give --broker URL and --lab NAME (or {BROKER} and {LAB}), or --state DIR (or {STATE}) "
        "on the agent's own machine"
    )


def _run_file(state: Path, users: tuple[str, ...]) -> RunFile:
    directory = state / "run"
    there = sorted(path.stem for path in directory.glob("*.json"))
    found = [name for name in users or there if name in there]
    if len(found) > 1 and users:
        raise UserError(f"the identities of {', '.join(found)} are on this machine: say --as NAME")
    if found:
        return RunFile.read(directory / f"{found[0]}.json")
    whom = " or ".join(users) or "anybody"
    raise UserError(
        f"no agent left in {directory} how {whom} gets to its broker"
        + (f"; it did for {', '.join(there)}" if there else ": does one run?")
        + "; or give --broker URL"
    )
