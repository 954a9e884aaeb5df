"""The part of a laboratory's file that is about its dashboard."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.config import Section


class DashboardSection(Section):
    """The web pages on the agent's HTTP port.

    Attributes:
        enabled: whether there are any.
        behind_proxy: whether a proxy stands before the HTTP port that sets X-Forwarded-For and X-Forwarded-Proto itself:
            they are believed then, and else ignored.
        identities: directory of people's encrypted private keys, below the one of LAB.toml; empty for the one of the
            machine's user, which ``labwright identity`` uses.
        session_idle_min: minutes without a sign of life after which a person has to log in again.
        session_max_h: hours after which they have to in any case.
        broker_user: the dashboard's name at the broker. Empty for ``dashboard`` at a broker of the agent's own, and for
            the agent's name at another; its password stands in LABWRIGHT_DASHBOARD_PASSWORD or a credential.
    """

    enabled: bool = True
    behind_proxy: bool = False
    identities: str = ""
    session_idle_min: Annotated[float, Field(ge=1.0, le=24.0 * 60.0)] = 30.0
    session_max_h: Annotated[float, Field(ge=0.1, le=24.0 * 7.0)] = 12.0
    broker_user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{0,64}$")] = ""
