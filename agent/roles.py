"""What a person of the laboratory may do; light enough for the command line's help."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instruments.profile.decisions import Choice
    from instruments.profile.requests import Action


class Role(StrEnum):
    """A person's role in a laboratory."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    SAFETY = "safety"
    ADMIN = "admin"


# Deny by default: an admin keeps keys and roles and judges no experiment; an operator may only err on the safe side.
_ALLOWED: dict[Choice, frozenset[Role]] = {
    "approve": frozenset({Role.APPROVER, Role.SAFETY}),
    "edit": frozenset({Role.APPROVER, Role.SAFETY}),
    "reject": frozenset({Role.OPERATOR, Role.APPROVER, Role.SAFETY}),
}
_HANDS = frozenset({Role.OPERATOR, Role.APPROVER, Role.SAFETY})
_STAFF = _HANDS | {Role.ADMIN}
_CLEARING = frozenset({Role.APPROVER, Role.SAFETY})
# Who stops need not be right; who clears says that it is safe to go on, as who approves does.
_ASKED_BY: Mapping[Action, frozenset[Role]] = {
    "pause": _STAFF,
    "resume": _STAFF,
    "stop": _STAFF,
    "stop-lab": _STAFF,
    "clear-lab": _CLEARING,
    "withdraw": _HANDS,
    "reconcile": _HANDS,
    "amend": _HANDS,
    "retract": _HANDS,
    "move": _STAFF,
    "maintenance": _STAFF,
    "reload": frozenset({Role.ADMIN}),
}


def may(role: Role, choice: Choice) -> bool:
    """Whether a role is allowed to approve, reject or edit."""
    return role in _ALLOWED[choice]


def roles_for(choice: Choice) -> str:
    """The roles that are allowed to do it, in words."""
    return _words(_ALLOWED[choice])


def may_ask(role: Role, action: Action, *, clears: bool = False) -> bool:
    """Whether a role is allowed to ask for something; ``clears`` where a stop is cleared by it."""
    return role in _asking(action, clears=clears)


def roles_asking(action: Action, *, clears: bool = False) -> str:
    """The roles that are allowed to ask for it, in words."""
    return _words(_asking(action, clears=clears))


def _asking(action: Action, *, clears: bool) -> frozenset[Role]:
    allowed = _ASKED_BY.get(action, frozenset())
    return allowed & _CLEARING if clears else allowed


def _words(roles: frozenset[Role]) -> str:
    *others, last = [role.value for role in Role if role in roles] or ["nobody"]
    return f"{', '.join(others)} or {last}" if others else last
