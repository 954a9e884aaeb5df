"""The commands ``labwright lab ...``: virtual instruments for whoever wants to try the agent, or one of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.connection import DEFAULT_LAB, BrokerUrl, CaFile, CertFile, KeyFile, LabName, broker_address
from agent.extras import needs

virtual_app = typer.Typer(
    no_args_is_help=True, help="The virtual laboratory: instruments with a hidden truth, to try things out."
)

DEFAULT_ROOT = "labwright"
RootName = Annotated[str, typer.Option("--root", metavar="NAME", help="First level of all topics.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the laboratory's hidden truth.")]
State = Annotated[Path, typer.Option(help="Directory for samples, images and job journals.")]
Speed = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Seconds of lab time in a real one: at 3600 a firing of 8 hours lasts 8 seconds. 0 does everything at "
        "once.",
    ),
]


@virtual_app.command("run")
def lab_run(
    broker: BrokerUrl,
    instruments: Annotated[
        str, typer.Option(metavar="ID,ID,...", show_default="all", help="Those to switch on; see labwright lab list.")
    ] = "",
    lab: LabName = DEFAULT_LAB,
    root: RootName = DEFAULT_ROOT,
    seed: Seed = 0,
    state: State = Path("virtual-lab"),
    speed: Speed = 0.0,
    fault_rate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of orders that meet a fault of real life.")
    ] = 0.0,
    fault_seed: Annotated[int, typer.Option(min=0, help="Of the draws of faults.")] = 0,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """Run virtual instruments as MQTT clients of a broker until Ctrl-C."""
    address = broker_address(broker, ca=ca, cert=cert, key=key)
    module = needs("lab", "labwright lab run", "agent.virtual_lab")
    wanted = tuple(part.strip() for part in instruments.split(",") if part.strip())
    module.run_virtual_lab(
        module.LabRun(
            address,
            lab=lab,
            root=root,
            seed=seed,
            state=state,
            speed=speed,
            instruments=wanted,
            fault_rate=fault_rate,
            fault_seed=fault_seed,
        )
    )


@virtual_app.command("list")
def lab_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of a table.")] = False,
) -> None:
    """Print the virtual instruments: commands, parameters with units and limits, results, how long they take."""
    needs("lab", "labwright lab list", "agent.lab_catalogue").print_catalogue(as_json=as_json)


@virtual_app.command("prototypes")
def lab_prototypes(
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of a table.")] = False,
) -> None:
    """Print the structure types of which crystals can be generated, each with an example to order."""
    needs("lab", "labwright lab prototypes", "agent.lab_prototypes").print_prototypes(as_json=as_json)


virtual_app.command("instruments", hidden=True, help="The same as list.")(lab_list)
