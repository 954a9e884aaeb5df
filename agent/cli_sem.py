"""``labwright analyse``, ``evaluate sem`` and ``train sem``: the reader of micrographs, used, judged and trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from agent.extras import needs

sem_app = typer.Typer(no_args_is_help=True)
evaluate_app = typer.Typer(no_args_is_help=True, help="Judge the models that ship with the package, or one's own.")
sem_app.add_typer(evaluate_app, name="evaluate")

Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", show_default="the shipped one", help="Weights of the network."),
]


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a number of micrometres") from error
    if not (math.isfinite(value) and value > 0.0):
        raise typer.BadParameter(f"{text} is not a positive, finite number of micrometres")
    return value


@sem_app.command()
def analyse(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE", help="TIFF, PNG, JPEG or BMP files, folders of them, patterns.")
    ],
    pixel_size: Annotated[
        float | None,
        typer.Option(
            parser=_positive,
            metavar="UM",
            show_default="as the file says",
            help="Edge of a pixel in micrometres; wins over what a file says.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, an object for each image.")] = False,
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep a picture of each image with what was seen in it."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Keep a table, a row for each image.")
    ] = None,
    model: Model = None,
) -> None:
    """Measure micrographs: grain size, ASTM G, porosity, second phase, cracks, class; or say why not and what to do."""
    module = needs("lab", "labwright analyse", "agent.analyse")
    module.analyse(
        module.Request(
            images=tuple(images), pixel_size=pixel_size, as_json=as_json, overlay=overlay, csv=csv, model=model
        )
    )


@evaluate_app.command("sem")
def evaluate_sem(
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Labelled images of your own too: NAME.png with NAME_mask.png, ..."),
    ] = None,
    fields: Annotated[
        int | None,
        typer.Option(min=1, show_default="60", help="Virtual fields of each kind of test."),
    ] = None,
    model: Model = None,
    description: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="evaluate.toml there", help="With --data: which sets of images it has (TOML)."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the JSON in a file.")] = None,
) -> None:
    """Judge the reader of micrographs on images that it was not trained on, beside the classical way."""
    module = needs("lab", "labwright evaluate sem", "agent.evaluate_sem")
    module.evaluate_sem(
        fields=fields or module.FIELDS, data=data, model=model, as_json=as_json, out=out, description=description
    )


def train_sem(
    steps: Annotated[
        int | None, typer.Option(min=1, show_default="as the shipped model", help="Optimiser steps.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, show_default="as the shipped model", help="Seed of images, weights and split.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for checkpoints and the trained model.")] = Path(
        "checkpoints/sem"
    ),
    workers: Annotated[
        int, typer.Option(min=0, max=64, help="Processes that draw images ahead; the result is the same.")
    ] = 0,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings (TOML), such as the training.toml of a training.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Labelled images of your own: mask pairs, COCO, or class folders."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="[builtin|FILE]", show_default="builtin", help="With --data: weights to go on from."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(metavar="1=phase,2=pore", help="With --data: what the values of masks mean.")
    ] = "",
    inliers: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Good images without labels, which the reader must not refuse as strange."),
    ] = None,
    hold_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="With --data: share of the images that is judged with instead.")
    ] = 0.2,
) -> None:
    """Train the micrograph network on the virtual microscope, or go on with labelled images of your own.

    Continues from its last checkpoint. The shipped model takes about two hours on two cores, images of one's own a
    minute or less.
    """
    needs("lab", "labwright train sem", "agent.training").train_sem(
        out, steps=steps, seed=seed, workers=workers, config=config, data=data, base=base, labels=labels,
        inliers=inliers, hold_out=hold_out,
    )  # fmt: skip
