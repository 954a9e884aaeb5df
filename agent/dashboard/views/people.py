"""Who there is and what they may do, as the page of the people shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.dashboard.views import words
from agent.roles import Role, may, may_ask
from agent.words import who

if TYPE_CHECKING:
    from instruments.profile.decisions import Choice
    from instruments.profile.laboratory import Laboratory, PersonEntry
    from instruments.profile.requests import Action

DIGITS = 8
"""First characters of a key's thumbprint, by which two people can compare it."""
_CHOICES: dict[Choice, str] = {
    "approve": "approve proposals",
    "edit": "edit proposals",
    "reject": "reject proposals",
}
_ACTIONS: dict[Action, str] = {
    "stop-lab": "stop the whole laboratory",
    "clear-lab": "clear that stop",
    "pause": "pause campaigns",
    "stop": "stop campaigns",
    "resume": "resume paused campaigns",
    "withdraw": "take proposals back",
    "reconcile": "say what became of a lost experiment",
    "amend": "correct results",
    "retract": "retract results",
    "move": "say where samples are",
    "maintenance": "take instruments out of service",
    "reload": "have limits, rules and keys read again",
}
_CLEARS = "resume stopped campaigns"
_ABOUT: dict[Role, str] = {
    Role.VIEWER: "Sees everything, changes nothing.",
    Role.OPERATOR: "Works in the laboratory: may stop and reject, never approve.",
    Role.APPROVER: "Decides what is made.",
    Role.SAFETY: "Decides what is made, and answers for its safety.",
    Role.ADMIN: "Keeps keys and roles, and judges no experiment.",
}


@dataclass(frozen=True)
class KeyView:
    """One key of a person.

    Args:
        digits: first characters of its thumbprint.
        thumbprint: all of it.
        revoked: when it was given up; empty while it counts.
    """

    digits: str
    thumbprint: str
    revoked: str = ""


@dataclass(frozen=True)
class PersonView:
    """One person.

    Args:
        name: who.
        role: as the laboratory says now.
        about: the role in a sentence.
        decides: whether they may approve.
        active: whether any of their keys counts.
        keys: those that count first.
        is_visitor: whether that is who looks.
    """

    name: str
    role: Role
    about: str
    decides: bool
    active: bool
    keys: tuple[KeyView, ...]
    is_visitor: bool = False


@dataclass(frozen=True)
class RoleView:
    """One role.

    Args:
        role: which.
        about: it in a sentence.
        holders: who has it.
        may: what its holders may do.
        may_not: what others may do and they may not.
    """

    role: Role
    about: str
    holders: tuple[str, ...]
    may: tuple[str, ...]
    may_not: tuple[str, ...]


def people_view(lab: Laboratory | None, now: datetime, visitor: str) -> tuple[PersonView, ...]:
    """Everybody whose key is known: who decides first, whose keys are all given up last.

    Args:
        lab: as it is told.
        now: the laboratory's time.
        visitor: who looks.
    """
    entries: dict[str, list[PersonEntry]] = {}
    for entry in lab.people if lab else ():
        entries.setdefault(entry.name, []).append(entry)
    found = [_person(name, keys, now, visitor) for name, keys in entries.items()]
    return tuple(sorted(found, key=lambda person: (not person.active, not person.decides, person.name.lower())))


def roles_view(people: Iterable[PersonView]) -> tuple[RoleView, ...]:
    """All roles, with who has them and what they allow."""
    holders: dict[Role, list[str]] = {role: [] for role in Role}
    for person in people:
        if person.active:
            holders[person.role].append(person.name)
    everything = (*_CHOICES.values(), *_ACTIONS.values(), _CLEARS)
    return tuple(
        RoleView(
            role,
            _ABOUT[role],
            tuple(holders[role]),
            tuple(phrase for phrase in everything if phrase in allowed(role)),
            tuple(phrase for phrase in everything if phrase not in allowed(role)),
        )
        for role in Role
    )


def allowed(role: Role) -> tuple[str, ...]:
    """What a role may do, each in a few words."""
    decisions = [phrase for choice, phrase in _CHOICES.items() if may(role, choice)]
    requests = [phrase for action, phrase in _ACTIONS.items() if may_ask(role, action)]
    return (*decisions, *requests, *([_CLEARS] if may_ask(role, "resume", clears=True) else []))


def rules_view(lab: Laboratory | None) -> tuple[str, ...]:
    """Rules that decide without a person, by their names."""
    return tuple(who(actor) for actor in lab.decided_by) if lab else ()


def _person(name: str, keys: list[PersonEntry], now: datetime, visitor: str) -> PersonView:
    current = [key for key in keys if key.revoked is None]
    given_up = sorted((key for key in keys if key.revoked is not None), key=lambda key: str(key.revoked), reverse=True)
    role = Role((current or given_up)[0].role)
    return PersonView(
        name=name,
        role=role,
        about=_ABOUT[role],
        decides=may(role, "approve"),
        active=bool(current),
        keys=tuple(_key(key, now) for key in (*current, *given_up)),
        is_visitor=name == visitor,
    )


def _key(key: PersonEntry, now: datetime) -> KeyView:
    revoked = f"given up {words.moment(key.revoked, now)}" if key.revoked else ""
    return KeyView(key.kid[:DIGITS], key.kid, revoked)
