"""Trains the network of the package from nothing: virtual images, then calibration and class head on others, the file.

This is the whole procedure that made the shipped weights. Each stage is told while it runs; a training that is done is
not done again, so that the later stages alone can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from agent.training_config import configured, write_config
from agent.training_progress import Tell, stage
from agent.wiring_reader import calibration_fields, class_pictures, class_stream, micrograph_stream
from envs.errors import UserError
from surrogates.micrograph_calibration import Calibration
from surrogates.micrograph_card import card
from surrogates.micrograph_class_fit import ClassFit, fit_class_head
from surrogates.micrograph_cnn import MicrographNet, Seen, save_network
from surrogates.micrograph_fields import LabelledField
from surrogates.micrograph_fit import calibrate
from surrogates.micrograph_kinds import KindTraining, train_kinds
from surrogates.micrograph_measure import Segmentation
from surrogates.micrograph_scales import look
from surrogates.micrograph_training import TrainingConfig, train

MODEL, CARD, CONFIG = "micrograph.safetensors", "micrograph.md", "training.toml"
CROP, WIDE_CROP = 128, 160
N_CALIBRATION, N_PICTURES = 360, 2000
SHIPPED = TrainingConfig(steps=18000, seed=20261123)
"""Settings of the first part for the network in the package; about forty minutes on two cores, one of which draws."""
REFINED, REFINING_RATE, REFINING_BATCH = 5.0 / 9.0, 1.5e-3, (6, 3)
"""Steps of the second part over those of the first, its rate of learning, and its batch and how much of it is fresh."""
ALONE, TOGETHER = 1.0 / 18.0, 13.0 / 90.0
"""Steps in which the branch for classes of pictures learns alone, and then all together, over the first part's."""


def train_virtual(
    out: Path,
    *,
    steps: int | None,
    seed: int | None,
    workers: int,
    config: Path | None,
    inliers: Path | None,
    default: TrainingConfig = SHIPPED,
    n_calibration: int = N_CALIBRATION,
    n_pictures: int = N_PICTURES,
) -> None:
    """Train on rendered images, calibrate on fields of other seeds, fit the class head, and write weights and card.

    Args:
        out: as for ``agent.training.train_sem``, and so the next five.
        steps: optimiser steps.
        seed: of weights and images.
        workers: processes that draw ahead.
        config: settings file.
        inliers: folder of good images.
        default: settings that nobody else says.
        n_calibration: fields to calibrate on.
        n_pictures: pictures to fit the class head on.

    Raises:
        UserError: when a setting is wrong, or the network has learned too little to be calibrated.
    """
    settings = configured(default, config, steps=steps, seed=seed)
    if inliers is not None and not inliers.is_dir():
        raise UserError(f"--inliers {inliers}: no such folder of images")
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    network, account = _learned(console, out, settings, workers)
    # Only now: the settings of another training in this folder are not written over.
    write_config(out / CONFIG, settings)
    constants, calibration_seed = calibrated(console, network, n_calibration)
    classes, class_seed = classified(console, network, n_pictures, inliers)
    metadata: dict[str, object] = {
        "file": MODEL,
        "network": {**asdict(network.shape), "weights": sum(part.numel() for part in network.parameters())},
        "data": "virtual micrographs, odd pictures (simulators.reader_data, odd_pictures), drawn anew for each step",
        **account,
        "calibration": constants.to_dict(),
        "calibration_fields": n_calibration,
        "calibration_note": f"{n_calibration} virtual fields that were not trained on",
        "classes": classes.to_dict(),
        "class_head": classes.to_dict(),
        "seeds": {"training": settings.seed, "calibration": calibration_seed, "classes": class_seed},
        "command": "labwright train sem",
    }
    save_network(network, out / MODEL, metadata, classes.head.to_tensors())
    (out / CARD).write_text(card(metadata), encoding="utf-8")
    console.print(f"Wrote {out / MODEL}; its card is {out / CARD}")


def _learned(
    console: Console, out: Path, settings: TrainingConfig, workers: int
) -> tuple[MicrographNet, dict[str, object]]:
    """The network after all parts of its training, each with a checkpoint of its own, and the account of them."""
    second = refining(settings)
    with stage(console, "Training", settings.steps) as tell:
        first = train(micrograph_stream(CROP), settings, out, _told(tell), workers=workers)
    with stage(console, "Refining", second.steps) as tell:
        refined = train(
            micrograph_stream(WIDE_CROP), second, out / "refining", _told(tell), workers=workers, start=first.network
        )
    network = refined.network
    for name, part in class_parts(settings).items():
        with stage(console, f"Classes, {name}", part.steps) as tell:
            network = train_kinds(network, class_stream(), part, out / name, _told(tell), workers)
    account: dict[str, object] = {
        "training": {**_plain(settings), "crop": CROP},
        "refining": {**_plain(second), "crop": WIDE_CROP, "loss": round(refined.loss, 4)},
        **{f"classes_{name}": asdict(part) for name, part in class_parts(settings).items()},
    }
    return network, account


def class_parts(first: TrainingConfig) -> dict[str, KindTraining]:
    """How classes of pictures are learned: by their branch alone, and then by the whole network."""
    steps = [max(round(first.steps * share), 1) for share in (ALONE, TOGETHER)]
    return {
        "alone": KindTraining(steps=steps[0], seed=first.seed + 2),
        "together": KindTraining(steps=steps[1], batch=4, learning_rate=1e-3, seed=first.seed + 3, frozen=False),
    }


def _told(tell: Tell) -> Callable[[int, int, float], None]:
    return lambda done, _total, loss: tell(done, f"loss {loss:.3f}")


def refining(first: TrainingConfig) -> TrainingConfig:
    """The second part of a training: a slower cycle in wider crops, in which rare things are learned (warm restart).

    After Loshchilov and Hutter, ICLR 2017 (arXiv:1608.03983), with the one-cycle schedule of the first part.
    """
    batch, fresh = REFINING_BATCH
    return replace(
        first,
        steps=max(round(first.steps * REFINED), 1),
        seed=first.seed + 1,
        learning_rate=REFINING_RATE,
        batch=batch,
        fresh=fresh,
    )


def _plain(settings: TrainingConfig) -> dict[str, object]:
    values = asdict(settings)
    del values["network"]
    return values


def calibrated(console: Console, network: MicrographNet, number: int) -> tuple[Calibration, int]:
    """Bias, spreads and limits of a network, fitted on virtual fields, and the seed of these.

    Raises:
        UserError: when too few of the fields can be read.
    """
    fields, seed = calibration_fields(number)
    try:
        with stage(console, "Calibrating", number) as tell:
            return calibrate(network, _counted(fields, tell)), seed
    except ValueError as error:
        raise UserError(f"the network cannot be calibrated ({error}): train longer") from error


def classified(console: Console, network: MicrographNet, number: int, inliers: Path | None) -> tuple[ClassFit, int]:
    """What tells the classes apart and refuses what is no section, fitted on virtual pictures, and their seed."""
    pictures, seed = class_pictures(number)
    with stage(console, "Classes", number) as tell:
        fit = fit_class_head(
            network,
            pictures,
            inliers=() if inliers is None else (inliers,),
            look=_look,
            progress=lambda done: tell(min(done, number), ""),
        )
    return fit, seed


def _look(network: MicrographNet, image: npt.NDArray[np.float32]) -> tuple[Seen, Segmentation]:
    """As the reader looks at an image."""
    found = look(network, image)
    return found.seen, found.found


def _counted(fields: Iterator[LabelledField], tell: Tell) -> Iterator[LabelledField]:
    for number, each in enumerate(fields, start=1):
        yield each
        tell(number, "")
