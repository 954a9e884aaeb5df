"""Who is looking: a person with a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.roles import Role, may, may_ask

if TYPE_CHECKING:
    from instruments.profile.decisions import Choice
    from instruments.profile.requests import Action


@dataclass(frozen=True)
class Visitor:
    """A person who is logged in.

    Args:
        name: who.
        role: as the laboratory says, at this moment.
        session: key of the session; a secret.
    """

    name: str
    role: Role
    session: str

    def may(self, choice: Choice) -> bool:
        """Whether the role allows a decision; whether it counts is the agent's to say."""
        return may(self.role, choice)

    def may_ask(self, action: Action, *, clears: bool = False) -> bool:
        """Whether the role allows a request."""
        return may_ask(self.role, action, clears=clears)
