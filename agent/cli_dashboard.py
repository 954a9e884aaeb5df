"""The command ``labwright dashboard``: the pages apart, on an approver's own machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli_place import Directory
from agent.connection import CaFile, CertFile
from agent.deciding.asked import BROKER, LAB, ROOT, STATE

dashboard_app = typer.Typer(no_args_is_help=False)
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate", exists=True, dir_okay=False, readable=True, metavar="FILE",
        help="Certificate of the pages (PEM); needed where other machines reach them.",
    ),
]  # fmt: skip
PrivateKey = Annotated[
    Path | None,
    typer.Option("--key", exists=True, dir_okay=False, readable=True, metavar="FILE", help="Its private key (PEM)."),
]
BrokerKey = Annotated[
    Path | None,
    typer.Option(
        "--cert-key", exists=True, dir_okay=False, readable=True, metavar="FILE",
        help="Private key of the client certificate for the broker (PEM).",
    ),
]  # fmt: skip


@dashboard_app.command()
def dashboard(
    broker: Annotated[
        str, typer.Option(metavar="URL", help=f"mqtt[s]://user:password@host:port; or in {BROKER}.")
    ] = "",
    lab: Annotated[str, typer.Option(metavar="NAME", help=f"The laboratory's name in topics; or in {LAB}.")] = "",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            show_default="./labwright-virtual, else ./state",
            help=f"State directory of an agent on this machine, instead of --broker; or in {STATE}.",
        ),
    ] = None,
    root: Annotated[str, typer.Option(metavar="NAME", help="First level of all topics.")] = ROOT,
    ca: CaFile = None,
    cert: CertFile = None,
    cert_key: BrokerKey = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen there.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Likewise; a free one for 0.")] = 8090,
    certificate: Certificate = None,
    key: PrivateKey = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Listen beyond this machine without TLS, as behind a proxy that has it.")
    ] = False,
    directory: Directory = None,
    notify: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, readable=True, metavar="FILE",
            help="TOML file with the table notify: whom to tell that something waits.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Show a laboratory in a browser: see what waits, and decide, each with their own key.

    The pages are those on the agent's own HTTP port. Here they run apart, on a machine that need have nothing but
    people's keys: what is shown comes from the broker, and what is signed goes there.
    """
    from agent.dashboard_run import Request, run
    from agent.deciding.asked import Asked

    asked = Asked(broker, lab, state, root, ca, cert, cert_key)
    run(Request(asked, host, port, certificate, key, plain=plain, directory=directory, notify=notify))
