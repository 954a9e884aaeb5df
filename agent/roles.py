"""What a person of the laboratory may do; light enough for the command line's help."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instruments.profile.decisions import Choice


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


def may(role: Role, choice: Choice) -> bool:
    """Whether a role is allowed to approve, reject or edit."""
    return role in _ALLOWED[choice]


def roles_for(choice: Choice) -> str:
    """The roles that are allowed to do it, in words."""
    return " or ".join(role.value for role in Role if may(role, choice))
