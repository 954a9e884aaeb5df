"""What the potential said about crystals, kept: one file each, found by the structure.

A record says by what it was made: the potential's version, its correction, and how tight the relaxation was. What was
made by another method is not found, and makes way for what is made now.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from envs.crystals import Crystal
from envs.errors import JournalError
from envs.moduli import Moduli
from instruments.artefacts import write_durably

logger = logging.getLogger(__name__)

FORMAT = 2
DECIMALS = 6
"""Of angstrom and of fractional coordinates, to which structures are compared."""


@dataclass(frozen=True)
class Record:
    """One crystal as the potential has it.

    Args:
        method: name and version of the potential, its correction, and the limits of relaxation and strain.
        crystal: at rest; where it never came to rest, as it was given.
        moduli: of its polycrystal, with the potential's softening taken back; None where there is no stable crystal.
        tensor: elastic constants in GPa by the potential itself, in Voigt's notation and the axes of the primitive
            cell; empty where there are none.
        reason: why there are no moduli, else ``""``.
    """

    method: str
    crystal: Crystal
    moduli: Moduli | None
    tensor: tuple[tuple[float, ...], ...] = field(default=())
    reason: str = ""

    def to_json(self) -> bytes:
        """UTF-8 JSON; ``from_json`` is its exact inverse."""
        c = self.crystal
        data = {
            "format": FORMAT,
            "method": self.method,
            "id": c.id,
            "formula": c.formula,
            "lattice": c.lattice.tolist(),
            "numbers": c.numbers.tolist(),
            "frac_coords": c.frac_coords.tolist(),
            "space_group": c.space_group,
            "moduli": None if self.moduli is None else asdict(self.moduli),
            "tensor": self.tensor,
            "reason": self.reason,
        }
        return json.dumps(data, sort_keys=True).encode()

    @staticmethod
    def from_json(text: bytes) -> Record:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: not JSON, another format, or values that contradict each other.
            KeyError: a field is missing.
            TypeError: a field is of another kind.
        """
        data: dict[str, Any] = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r}, not {FORMAT}")
        moduli, reason = data["moduli"], str(data["reason"])
        if (moduli is None) != bool(reason):
            raise ValueError("moduli or a reason for their absence, one of the two")
        return Record(
            method=str(data["method"]),
            crystal=_crystal(data),
            moduli=None if moduli is None else Moduli(**moduli),
            tensor=tuple(tuple(float(value) for value in row) for row in data["tensor"]),
            reason=reason,
        )


def _crystal(data: dict[str, Any]) -> Crystal:
    numbers = np.array(data["numbers"], dtype=np.int64)
    lattice = np.array(data["lattice"], dtype=np.float64).reshape(3, 3)
    coords = np.array(data["frac_coords"], dtype=np.float64).reshape(len(numbers), 3)
    if not (np.isfinite(lattice).all() and np.isfinite(coords).all()):
        raise ValueError("a structure of numbers")
    return Crystal(str(data["id"]), str(data["formula"]), lattice, numbers, coords, int(data["space_group"]))


def structure_key(crystal: Crystal) -> str:
    """SHA-256 over a structure; its id is no part of it."""
    parts = [
        np.round(crystal.lattice, DECIMALS).tolist(),
        crystal.numbers.tolist(),
        (np.round(crystal.frac_coords, DECIMALS) % 1.0).tolist(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class RecordStore:
    """Records by key, in memory, and in a directory where one is given.

    Args:
        directory: made at the first record.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._records: dict[str, Record] = {}

    def get(self, key: str, method: str) -> Record | None:
        """A record; None where there is none of this method, or its file is damaged: then it is to be made again."""
        if key not in self._records and (path := self._path(key)) is not None:
            try:
                self._records[key] = Record.from_json(path.read_bytes())
            except FileNotFoundError:
                return None
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning("%s is damaged or of another version, and is made again: %s", path, error)
                return None
        found = self._records.get(key)
        if found is not None and found.method != method:
            logger.info("%s was made by %s and is made again by %s", found.crystal.id, found.method, method)
            return None
        return found

    def put(self, key: str, record: Record) -> None:
        """Keep a record; it is durable when this returns.

        Raises:
            JournalError: it cannot be written.
        """
        if (path := self._path(key)) is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(path, record.to_json())
            except OSError as error:
                raise JournalError(f"{path} cannot be written: {error}") from error
        self._records[key] = record

    def _path(self, key: str) -> Path | None:
        return None if self._directory is None else self._directory / f"{key}.json"
