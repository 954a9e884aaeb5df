"""The laboratory's directory of people: whose key counts, in which role, and since when it does not any more.

The agent reads it when it starts and whenever it is told to read its settings again. A key that was given up stays in
the directory with its date: old records are still to be read, and nobody can bring the same key back.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from agent.identity import PUBLIC, People, Person, check_name, read_person
from agent.roles import Role
from envs.errors import UserError


class Registry:
    """The public keys in a directory, one file each.

    Args:
        directory: made with the first key.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def people(self) -> People:
        """All of them.

        Raises:
            UserError: when a file cannot be read, or two hold the same key.
        """
        return People.from_directory(self.directory)

    def add(self, file: Path, *, role: Role | None = None) -> tuple[Person, Path]:
        """Take a person's public key in.

        Args:
            file: as ``labwright identity new`` made it.
            role: that is granted; the one that the file asks for by default.

        Returns:
            The person as the laboratory knows them now, and the file that says so.

        Raises:
            UserError: it is no public key, it was given up, it is here already, or the person has another key here
                that was not given up.
        """
        asked = read_person(file)
        person = asked if role is None else asked.model_copy(update={"role": role})
        if person.revoked is not None:
            raise UserError(f"{file} is a key that {person.name} gave up at {person.revoked}: make a new identity")
        for known in self.people():
            if known.key.kid == person.key.kid:
                gone = f", given up at {known.revoked}" if known.revoked else ""
                raise UserError(f"this key is in {self.directory} already, as {known.name} ({known.role}){gone}")
            if known.name == person.name and known.revoked is None:
                raise UserError(
                    f"{person.name} has another key in {self.directory}: give it up first, with "
                    f"labwright identity revoke {person.name}"
                )
        path = self.directory / f"{person.name}{PUBLIC}"
        if path.exists():  # an earlier key, given up
            path = self.directory / f"{person.name}.{person.key.kid[:12]}{PUBLIC}"
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write(path, person)
        return person, path

    def revoke(self, name: str, at: datetime) -> list[Path]:
        """Write into a person's public files that their keys do not count any more.

        Args:
            name: whose.
            at: since when, with its zone.

        Returns:
            The files that say so now.

        Raises:
            UserError: nobody of this name has a key here that still counts, or a file cannot be written.
        """
        check_name(name)
        changed = []
        for path in sorted(self.directory.glob(f"*{PUBLIC}")):
            person = read_person(path)
            if person.name == name and person.revoked is None:
                _write(path, person.model_copy(update={"revoked": at}))
                changed.append(path)
        if not changed:
            people = sorted({person.name for person in self.people() if person.revoked is None})
            raise UserError(
                f"nobody called {name!r} has a key that counts in {self.directory}: "
                f"there are {', '.join(people) or 'none'}"
            )
        return changed


def _write(path: Path, person: Person) -> None:
    """Replace a file as a whole: whoever reads it meanwhile finds the old one or the new one."""
    spare = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with spare.open("w", encoding="utf-8") as handle:
            handle.write(person.model_dump_json(indent=2, exclude_none=True) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        spare.replace(path)
    except OSError as error:
        spare.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
