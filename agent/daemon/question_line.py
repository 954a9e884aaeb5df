"""Questions of one kind in their line: taken in turns by person, so that nobody's many keep another's one away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass

from instruments.profile.questions import Question


@dataclass(frozen=True)
class Asked:
    """A question, and who asks it."""

    user: str
    question: Question


class Line:
    """Those that wait.

    Args:
        places: most questions that wait.
        a_person: most of one person.

    Attributes:
        bell: rings when there is one more.
    """

    def __init__(self, places: int, a_person: int) -> None:
        self.bell = asyncio.Event()
        self._places = places
        self._a_person = a_person
        self._waiting: OrderedDict[str, deque[Asked]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(own) for own in self._waiting.values())

    def against(self, user: str) -> str:
        """Why there is no place for a person's question; empty where there is."""
        if len(self._waiting.get(user, ())) >= self._a_person:
            return f"{self._a_person} questions of yours wait already: ask again in a moment"
        if len(self) >= self._places:
            return f"{self._places} questions wait already: ask again in a moment"
        return ""

    def join(self, asked: Asked) -> None:
        """Wait."""
        self._waiting.setdefault(asked.user, deque()).append(asked)
        self.bell.set()

    def next(self) -> Asked | None:
        """The next one: of the person who waits for it longest; None where nobody does."""
        if not self._waiting:
            return None
        user, own = self._waiting.popitem(last=False)
        asked = own.popleft()
        if own:
            self._waiting[user] = own
        return asked
