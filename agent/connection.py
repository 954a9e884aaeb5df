"""How every command is told which broker to use: the options, and the address that they make.

A command takes ``BrokerUrl``, ``CaFile``, ``CertFile``, ``KeyFile`` and ``LabName`` as its parameters' types and hands
them to ``broker_address``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from envs.errors import ConfigError
from instruments.address import BrokerAddress

PASSWORD = "LABWRIGHT_BROKER_PASSWORD"  # noqa: S105  # the name of the variable, not a password
DEFAULT_LAB = "lab"

BrokerUrl = Annotated[
    str,
    typer.Option(
        "--broker",
        metavar="URL",
        help=f"mqtt://user:password@host:port, or mqtts:// for TLS; the password may stand in {PASSWORD} instead.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        show_default="the system's",
        help="Authority that signed the broker's certificate (PEM).",
    ),
]
CertFile = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        help="Client certificate to show to the broker (PEM).",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        help="Private key of the client certificate (PEM).",
    ),
]
LabName = Annotated[str, typer.Option("--lab", metavar="NAME", help="The laboratory's name in the topics.")]


def broker_address(
    url: str,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> BrokerAddress:
    """The address that ``--broker URL --ca FILE --cert FILE --key FILE`` and the environment mean.

    Args:
        url: ``mqtt://[user[:password]@]host[:port]`` or ``mqtts://...``.
        ca: authority that signed the broker's certificate; the system's by default.
        cert: client certificate.
        key: its private key.
        environment: where ``LABWRIGHT_BROKER_PASSWORD`` is looked up; the process's own by default. It is taken where
            the URL names a user and no password.

    Raises:
        ConfigError: when anything about it is wrong; the message never holds a password.
    """
    password = (os.environ if environment is None else environment).get(PASSWORD)
    names_user = re.match(r"[^/]*//[^:@/]+@", url) is not None
    try:
        return BrokerAddress.from_url(url, password=password if names_user else None, ca=ca, certificate=cert, key=key)
    except ConfigError as error:
        raise ConfigError(f"--{error.key}", error.value, error.allowed) from None


def watching(address: BrokerAddress, topic: str, *, with_password: bool = False) -> str:
    """The line by which a person watches a topic with Mosquitto's own client, to be typed into a shell.

    Args:
        address: the broker with the user.
        topic: what to subscribe to.
        with_password: write the password, which the word PASSWORD stands for otherwise.
    """
    words = ["mosquitto_sub", "-h", address.host, "-p", str(address.port)]
    if address.tls is not None:
        # Without a file it would not speak TLS at all.
        words += ["--cafile", str(address.tls.ca)] if address.tls.ca else ["--tls-use-os-certs"]
        if address.tls.certificate and address.tls.key:
            words += ["--cert", str(address.tls.certificate), "--key", str(address.tls.key)]
    if address.username:
        words += [
            "-u",
            address.username,
            *(["-P", address.password if with_password else "PASSWORD"] if address.password else []),
        ]
    return shlex.join([*words, "-t", topic, "-v"])
