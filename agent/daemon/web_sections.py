"""The parts of a laboratory's file that are about its HTTP port, and the pages there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.config import Section

Port = Annotated[int, Field(ge=0, le=65535)]


class HttpSection(Section):
    """The agent's one HTTP port: health, metrics, uploads.

    Attributes:
        host: to listen at.
        port: likewise; a free one for 0.
        public_url: as instruments reach it; made of host and port when it is empty.
        certificate: of this server (PEM); needed where ``host`` is not this machine's own.
        key: its private key.
        plain: listen beyond this machine without TLS all the same, as behind a proxy that has it.
    """

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Port = 8080
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$")] = ""
    certificate: str = ""
    key: str = ""
    plain: bool = False


class DashboardSection(Section):
    """The web pages on the agent's HTTP port.

    Attributes:
        enabled: whether there are any.
        behind_proxy: whether a proxy stands before the HTTP port that sets X-Forwarded-For and X-Forwarded-Proto
            itself: they are believed then, and else ignored.
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
