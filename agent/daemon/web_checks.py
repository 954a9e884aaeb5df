"""What would keep people from the dashboard's pages, or strangers too near them, looked at before they are there.

None of it keeps the agent from its work: ``labwright doctor`` and a dry run say it, and so does the log of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.daemon.config import LabConfig
from agent.daemon.credentials import credential, variable_of
from agent.dashboard.notices.outlet import Secrets
from agent.dashboard.notices.settings import is_loopback
from envs.errors import ConfigError, LabwrightError, UserError


def secrets_of(config: LabConfig, environment: Mapping[str, str] | None = None) -> Secrets:
    """What the notices prove themselves with.

    Args:
        config: the laboratory's file.
        environment: the process's own by default.

    Raises:
        UserError: a file with a secret cannot be read.
    """
    names = ("smtp-password", "webhook-secret")
    return Secrets(*(credential(name, config.keys, environment) for name in names))


def web_faults(config: LabConfig, environment: Mapping[str, str] | None = None) -> Iterator[LabwrightError]:
    """Everything that is wrong with ``[dashboard]`` and ``[notify]`` on this machine; nothing where there are no pages.

    Args:
        config: the laboratory's file.
        environment: the process's own by default.
    """
    if not config.dashboard.enabled:
        return
    keys, source = config.identities, config.source
    if keys is not None and not keys.is_dir():
        allowed = "a directory of people's keys, as labwright identity new --dir makes it; or nothing"
        yield ConfigError("dashboard.identities", str(keys), allowed, source=source)
    yield from _of_the_way(config)
    try:
        user = config.dashboard.broker_user
        if user and not config.broker.embedded and credential("dashboard-password", config.keys, environment) is None:
            yield UserError(
                f"dashboard.broker_user is {user}, and there is no password for it: set "
                f"{variable_of('dashboard-password')}, or put it into the credential dashboard-password"
            )
        secrets_of(config, environment).check(config.notify)
    except UserError as error:
        yield error


def _of_the_way(config: LabConfig) -> Iterator[ConfigError]:
    """How browsers reach the pages: with or without a proxy, and what that lets them see or pretend."""
    http, proxied = config.http, config.dashboard.behind_proxy
    if is_loopback(http.host):
        return
    if proxied and not http.plain:
        allowed = (
            f"false where browsers reach http.host = {http.host} themselves, for they could pretend to be anywhere; or "
            "http.host = '127.0.0.1', so that the proxy alone reaches it"
        )
        yield ConfigError("dashboard.behind_proxy", True, allowed, source=config.source)
    if http.plain and not proxied:
        allowed = (
            "true, with a proxy that has TLS before it; or http.certificate and http.key instead of http.plain: "
            "people's passwords would cross the network unencrypted"
        )
        yield ConfigError("dashboard.behind_proxy", False, allowed, source=config.source)
