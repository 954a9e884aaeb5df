"""Which laboratory a person means: from options, the environment, or what a running agent left beside its state."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.connection import DEFAULT_LAB, PASSWORD, broker_address
from agent.deciding.asked import BROKER, DIRECTORIES, LAB, ROOT, STATE, Asked
from agent.identity import first_fault
from envs.errors import UserError
from instruments.address import BrokerAddress
from instruments.messages import Name
from instruments.profile.decisions import PersonName
from instruments.topics import Lab

_MAX_FILE = 65536
SHADOW = "shadow"
"""Below the state directory: the one of an agent in shadow."""
SIGN = "place.json"
"""Below the state directory, not in ``run``: there a person's name makes the file's."""
T = TypeVar("T", bound=BaseModel)


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
        return _leave(self, state / "run" / f"{self.user}.json", 0o600)

    @classmethod
    def read(cls, path: Path) -> RunFile:
        """Read one.

        Raises:
            UserError: it cannot be read, or is damaged.
        """
        return _left(cls, path)


class SignPost(BaseModel):
    """``STATE/place.json``: where an agent's laboratory is, for everybody on its machine; it holds no password.

    Attributes:
        lab: the laboratory.
        broker: its URL, without user and password; empty where ``run/NAME.json`` says it to each person.
        root: first level of all topics.
        ca: file of the authority that signed the broker's certificate; empty for the system's.
        users: whether the broker asks who somebody is.
        people: directory of the public keys; empty for the one in the state directory.
        database: that holds the journal, without a password; empty where the state directory does.
        secrets: the state directory whose ``secrets`` hold the agent's passwords.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    lab: Name
    broker: str = ""
    root: Name = ROOT
    ca: str = ""
    users: bool = False
    people: str = ""
    database: str = ""
    secrets: str = ""

    def write(self, state: Path) -> Path:
        """Leave it in a state directory, for everybody who may look there.

        Raises:
            UserError: it cannot be written.
        """
        return _leave(self, state / SIGN, 0o644)

    @classmethod
    def read(cls, state: Path) -> SignPost | None:
        """The one in a state directory; None where there is none.

        Raises:
            UserError: it cannot be read, or is damaged.
        """
        path = state / SIGN
        return _left(cls, path) if path.exists() else None

    def options(self, name: str = "NAME") -> str:
        """What a person's command is given to find the broker from anywhere."""
        scheme, _, rest = self.broker.partition("://")
        words = ["--broker", f"{scheme}://{name}@{rest}", "--lab", self.lab]
        words += ["--root", self.root] if self.root != ROOT else []
        words += ["--ca", self.ca] if self.ca else []
        return shlex.join(words)


def _leave(file: BaseModel, path: Path, mode: int) -> Path:
    spare = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        spare.unlink(missing_ok=True)
        descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(file.model_dump_json(indent=2) + "\n")
        spare.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _left(kind: type[T], path: Path) -> T:
    try:
        with path.open("rb") as handle:
            return kind.model_validate_json(handle.read(_MAX_FILE))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UserError(f"{path} is damaged: {first_fault(error)}; a restart of the agent writes it anew") from error


@dataclass(frozen=True)
class Place:
    """A laboratory at its broker, as one user sees it.

    Args:
        address: with the user's name and password.
        topics: of the laboratory.
        asks: whether the broker is known to ask who somebody is.
    """

    address: BrokerAddress
    topics: Lab
    asks: bool = False


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
    state = find_state(asked.state, environment=variables, here=here)
    sign = SignPost.read(state)
    found: RunFile | SignPost = sign if sign and sign.broker else _run_file(state, users)
    if asked.lab and asked.lab != found.lab:
        raise UserError(f"the agent there runs the laboratory {found.lab!r}, not {asked.lab!r}")
    ca = asked.ca or (Path(found.ca) if found.ca else None)
    if isinstance(found, SignPost):
        return Place(_as_somebody(found, asked, users, ca, variables), Lab(found.root, found.lab), asks=found.users)
    bare = BrokerAddress.from_url(found.broker, ca=ca, certificate=asked.cert, key=asked.key)
    address = BrokerAddress(bare.host, bare.port, found.user, found.password, tls=bare.tls)
    return Place(address, Lab(found.root, found.lab))


def _as_somebody(
    sign: SignPost, asked: Asked, users: tuple[str, ...], ca: Path | None, variables: Mapping[str, str]
) -> BrokerAddress:
    """The broker of a sign post, as who the environment says, or else as the person whose name signs."""
    bare = BrokerAddress.from_url(sign.broker, ca=ca, certificate=asked.cert, key=asked.key)
    told = variables.get(BROKER, "")
    if told:
        named = broker_address(told, ca=ca if bare.tls else None, environment=variables)
        if named.username and (named.host, named.port) == (bare.host, bare.port):
            return BrokerAddress(bare.host, bare.port, named.username, named.password, tls=bare.tls)
    user = users[0] if len(users) == 1 else ""
    return BrokerAddress(bare.host, bare.port, user, variables.get(PASSWORD, "") if user else "", tls=bare.tls)


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
    below = state / SHADOW
    if there:
        why = f"it did for {', '.join(there)}"
    elif (below / SIGN).exists():
        why = f"one did in shadow: --state {below}"
    else:
        why = "does one run?"
    raise UserError(
        f"no agent left in {directory} how {whom} gets to its broker: {why}; or give --broker mqtt://NAME@host:port "
        "--lab LAB"
    )
