"""Where a person's question is answered: the journal of a laboratory on this machine, or its broker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.deciding.asked import BROKER, STATE, Asked
from agent.deciding.place import Place, SignPost, find_place, find_state
from agent.extras import needs
from envs.errors import UserError


@dataclass(frozen=True)
class JournalSource:
    """A journal on this machine, or its database.

    Args:
        place: the state directory, or ``postgresql://...``.
        state: the state directory.
        lab: the laboratory's name, where it is known.
        people: directory of the public keys.
        broker: where its instruments are; None where only the agent may know it.
    """

    place: Path | str
    state: Path
    lab: str = ""
    people: Path = Path()
    broker: Place | None = None


@dataclass(frozen=True)
class BusSource:
    """A broker; ``asked`` says which and whose."""

    asked: Asked


def find_source(
    asked: Asked,
    lab_file: Path | None = None,
    database: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    here: Path = Path(),
) -> JournalSource | BusSource:
    """What a person means: options first, then the environment, then what lies around.

    Args:
        asked: the options about the place.
        lab_file: LAB.toml, whose state directory or database it is.
        database: ``postgresql://...``; people's keys are then looked for in the state directory, if one is named.
        environment: the process's own by default.
        here: where directories are looked for.

    Raises:
        UserError: two options say where, a directory is not there, or nothing is found.
    """
    variables = os.environ if environment is None else environment
    given = {"--state": asked.state and not database, "--lab-file": lab_file, "--broker": asked.broker,
             "--database": database}  # fmt: skip
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise UserError(f"{' and '.join(named)} say where the laboratory is: give one of them")
    if lab_file is not None:
        return source_of(lab_file, variables)
    if database:
        return _database(database, asked, variables)
    if asked.broker:
        return BusSource(asked)
    if asked.state is None and not variables.get(STATE) and variables.get(BROKER):
        return BusSource(asked)
    state = find_state(asked.state, environment=variables, here=here)
    broker, sign = _left(state, variables), SignPost.read(state)
    lab = sign.lab if sign else broker.topics.lab if broker else asked.lab
    people = Path(sign.people) if sign and sign.people else state / "people"
    place: Path | str = state
    if sign is not None and sign.database:
        place = _with_password(sign.database, Path(sign.secrets or state), variables)
    return JournalSource(place, state, lab, people, broker)


def _database(url: str, asked: Asked, variables: Mapping[str, str]) -> JournalSource:
    state = asked.state or Path(variables.get(STATE) or ".")
    return JournalSource(_with_password(url, state, variables), state, asked.lab, state / "people")


def _with_password(url: str, state: Path, variables: Mapping[str, str]) -> str:
    from agent.daemon.credentials import credential, database_url

    return database_url(url, credential("database-password", state, variables))


def source_of(lab_file: Path, environment: Mapping[str, str] | None = None) -> JournalSource:
    """The journal of a laboratory's file.

    Raises:
        UserError: the file cannot be read, or something in it is wrong.
    """
    config = needs("lab", "--lab-file", "agent.daemon.config").load_lab(lab_file)
    broker = _left(config.state, environment) if config.broker.embedded else Place(config.address(), config.topics)
    return JournalSource(config.journal(environment), config.state, config.lab.name, config.people, broker)


def _left(state: Path, environment: Mapping[str, str] | None) -> Place | None:
    """The broker as an agent on this machine left it for somebody; None where it did for nobody."""
    try:
        return find_place(Asked(state=state), (), environment=environment)
    except UserError:
        return None
