"""Reading what anybody may have sent: cheap to refuse, and what is wrong with it said in one line."""

from __future__ import annotations

import logging
import re
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, core_schema

MAX_ENTRIES = 1_000
"""Most parameters, results, commands or channels of one message that are read at all."""
_FAULTS, _FAULT_CHARACTERS, _LINE_CHARACTERS = 5, 200, 500
_FIRST_COMPLAINTS = 100
_IN_MESSAGES = {
    "Value error, ": "",
    "Assertion failed, ": "",
    " after validation": "",
    **dict.fromkeys(("Input should", "String should", "List should", "Tuple should", "Dictionary should"), "it should"),
    "valid dictionary": "valid object",
    "valid tuple": "valid list",
}
"""Pydantic's words about Python, to those about messages and files."""
_OF_PYTHON = re.compile("|".join(map(re.escape, _IN_MESSAGES)))


class _Few:
    """Before each entry is looked at: to complain about fifty thousand bad ones would take a second and 200 MB."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_counted, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        for choice in schema.get("anyOf", [schema]):
            if choice.get("type") == "object":
                choice["maxProperties"] = MAX_ENTRIES
        return schema


def _counted(given: object) -> object:
    if isinstance(given, dict) and len(given) > MAX_ENTRIES:
        raise ValueError(f"{len(given)} entries, at most {MAX_ENTRIES} are read")
    return given


Few = _Few()
"""Of a mapping in a model: one with too many entries is refused before they are looked at."""


def fault_of(fault: ErrorDetails) -> str:
    """What is wrong, without the words that are about Python."""
    return _OF_PYTHON.sub(lambda found: _IN_MESSAGES[found.group()], fault["msg"])


def faults_of(error: ValidationError) -> str:
    """What is wrong, each with its key where it has one, in one line; of many and of long ones only the beginning."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [(".".join(map(str, fault["loc"])), fault_of(fault)) for fault in found[:_FAULTS]]
    texts = [clipped(f"{where}: {what}" if where else what, _FAULT_CHARACTERS) for where, what in told]
    return "; ".join(texts + ([f"and {len(found) - _FAULTS} more"] if len(found) > _FAULTS else []))


def clipped(text: str, most: int) -> str:
    """The beginning of a text that is too long."""
    return text if len(text) <= most else f"{text[:most]}..."


def printable(text: str) -> str:
    """A text of others that does nothing to the terminal that shows it: control characters are spelled out."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class Complaints:
    """Warnings that others can cause at will: the first hundred are logged, then only every doubling of their number.

    Args:
        log: where they go.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next = 1
        self.n = 0

    def add(self, text: str) -> None:
        """Complain, in a line of limited length."""
        self.n += 1
        if self.n < self._next:
            return
        self._next = self.n + 1 if self.n < _FIRST_COMPLAINTS else 2 * self.n
        count = f" (number {self.n}; most of them are not logged any more)" if self.n >= _FIRST_COMPLAINTS else ""
        self._log.warning("%s%s", clipped(text, _LINE_CHARACTERS), count)
