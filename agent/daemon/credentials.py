"""Passwords of the laboratory: never in its file, but in the environment or a directory of the agent's own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from envs.errors import ConfigError, UserError

DIRECTORY = "CREDENTIALS_DIRECTORY"
"""Where systemd puts a service's credentials (systemd.exec(5), LoadCredential)."""
SECRETS = "secrets"
"""Below the state directory: files of mode 0600, read where the environment says nothing."""
DATABASE = re.compile(r"postgres(ql)?(\+psycopg)?://[^\s]+")


def credential(name: str, state: Path, environment: Mapping[str, str] | None = None) -> str | None:
    """A password by name.

    Args:
        name: such as ``broker-password``; ``LABWRIGHT_BROKER_PASSWORD`` in the environment.
        state: the state directory.
        environment: the process's own by default.

    Returns:
        What the environment says, else systemd's credentials directory, else ``secrets`` below the state directory;
        None where nobody says anything.

    Raises:
        UserError: the file is there and cannot be read.
    """
    variables = os.environ if environment is None else environment
    given = variables.get(variable_of(name))
    if given is not None:
        return given
    places = [Path(variables[DIRECTORY])] if variables.get(DIRECTORY) else []
    for path in [place / name for place in (*places, state / SECRETS)]:
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read as a password: {error}") from error
    return None


def variable_of(name: str) -> str:
    """The environment variable of a credential."""
    return f"LABWRIGHT_{name.upper().replace('-', '_')}"


def database_url(url: str, password: str | None) -> str:
    """A PostgreSQL address with its password, where the address names none.

    Raises:
        ConfigError: it is no such address; the message holds no password.
    """
    if not DATABASE.fullmatch(url):
        raise ConfigError("lab.database", without_password(url), "postgresql://user@host[:port]/database")
    try:
        parts = urlsplit(url)
        has_password, host = parts.password is not None, parts.netloc.rpartition("@")[2]
    except ValueError as error:
        allowed = "postgresql://user@host[:port]/database"
        raise ConfigError("lab.database", without_password(url), allowed) from error
    if password is None or has_password or not parts.username:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{quote(password, safe='')}@{host}"))


def without_password(url: str) -> str:
    """An address as it may be shown."""
    return re.sub(r"(//[^:@/]*):[^/]*@", r"\1:***@", url)
