"""The command ``labwright broker``: an MQTT broker for one laboratory."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

broker_app = typer.Typer(no_args_is_help=False)


class BrokerKindName(StrEnum):
    """Values of ``--kind``."""

    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


Certificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert", exists=True, dir_okay=False, readable=True, metavar="FILE", help="The broker's certificate (PEM)."
    ),
]
PrivateKey = Annotated[
    Path | None,
    typer.Option("--tls-key", exists=True, dir_okay=False, readable=True, metavar="FILE", help="Its private key."),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        help="Require client certificates of this authority there; their common names are the users' names.",
    ),
]


@broker_app.command()
def broker(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, show_default="as before, else 1883, else a free one", help="Port on loopback."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", show_default="in the user's data directory", help="Where passwords and messages stay."),
    ] = None,
    kind: Annotated[
        BrokerKindName | None,
        typer.Option(show_default="mosquitto where it is installed", help="amqtt is for development only."),
    ] = None,
    instrument: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An instrument that may connect; can be given again.")
    ] = None,
    person: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A person who may watch and decide; can be given again.")
    ] = None,
    dashboard: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A dashboard, through which many people watch and decide; likewise."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A user who may not connect any more; can be given again.")
    ] = None,
    lab: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="as before, else lab", help="The laboratory's name in the topics."),
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Listen there too, with TLS: an address of this machine, or 0.0.0.0."),
    ] = None,
    tls_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of --bind.")] = 8883,
    tls_cert: Certificate = None,
    tls_key: PrivateKey = None,
    tls_ca: Authority = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say how to connect as one line of JSON.")] = False,
) -> None:
    """Run an MQTT broker for one laboratory until Ctrl-C, and say how to connect.

    Users and passwords are kept for the next time. While the broker of a directory is running, the same command with
    other users changes them there.
    """
    from agent.broker_run import Request, run_broker

    run_broker(
        Request(
            port=port,
            directory=directory,
            kind=kind.value if kind else None,
            instruments=tuple(instrument or ()),
            persons=tuple(person or ()),
            dashboards=tuple(dashboard or ()),
            remove=tuple(remove or ()),
            lab=lab,
            bind=bind,
            tls_port=tls_port,
            certificate=tls_cert,
            key=tls_key,
            ca=tls_ca,
            as_json=as_json,
        )
    )
