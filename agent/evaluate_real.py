"""Judges a reader on labelled images of real materials: as it is, after fine-tuning on a few, and the classical way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize
from skimage.segmentation import watershed

from agent.evaluate_reasons import said
from agent.evaluate_sets import RealSet, real_sets
from agent.evaluate_watch import Watch
from agent.training_labelled import fine_tune, rehearsal
from envs.laws import astm_grain_size_number
from surrogates.micrograph_classical import classical
from surrogates.micrograph_cnn import CHANNELS, MicrographNet
from surrogates.micrograph_evaluation import rounded
from surrogates.micrograph_finetuning import FINE_TUNING
from surrogates.micrograph_io import Micrograph
from surrogates.micrograph_labels.vocabulary import UNKNOWN, LabelledImage
from surrogates.micrograph_reader import MicrographReader
from surrogates.micrograph_reading import MicrographReading
from surrogates.micrograph_scales import look
from surrogates.micrograph_scores import line_match, overlap
from surrogates.stereology import Labels, Mask, mean_intercept

__all__ = ["real_figures", "real_sets"]

LINES = ("boundary", "crack")
"""Channels that are lines: judged within two pixels."""
LEVEL = 0.5


class Found(NamedTuple):
    """What one way finds in an image: masks (H, W) by channel, and the mean intercept in pixels or None."""

    masks: dict[str, Mask]
    intercept: float | None


@dataclass(frozen=True)
class Tuned:
    """A network after fine-tuning, the images it was not tuned on, and the seconds of a processor that it took."""

    network: MicrographNet
    held: tuple[LabelledImage, ...]
    learnt: tuple[str, ...]
    seconds: float


def real_figures(reader: MicrographReader, sets: Sequence[RealSet], watch: Watch) -> dict[str, object]:
    """Figures of each set by name, JSON-ready; and how many of all the images are refused, good as they are."""
    result: dict[str, object] = {}
    pictures, refused, reasons = 0, 0, Counter[str]()
    for each in sets:
        figures, why = _set_figures(reader, each, watch)
        result[each.name] = figures
        pictures += len(each.images)
        refused += sum(why.values())
        reasons += why
    result["false_alarms"] = {"pictures": pictures, "refused": refused, "reasons": dict(reasons)}
    return result


def _set_figures(reader: MicrographReader, each: RealSet, watch: Watch) -> tuple[dict[str, object], Counter[str]]:
    """Figures of one set, and why images of it are refused."""
    found: dict[str, Found] = {}
    reasons, classes = Counter[str](), Counter[str]()
    for image in watch.over(each.name, each.images, len(each.images)):
        reading = reader.read(Micrograph(image.image, each.pixel_size, "given" if each.pixel_size else "none"))
        if not reading.accepted:
            reasons[said(reading.reason)] += 1
        classes[reading.microstructure or "none told"] += 1
        found[image.name] = _read(reading, each.pixel_size or 1.0)
    plain = {image.name: _classical(image, each)
             for image in watch.over("  the classical way", each.images, len(each.images))}  # fmt: skip
    figures: dict[str, object] = {
        "images": len(each.images),
        "channels": list(each.channels),
        "pixel_size_um": each.pixel_size,
        "accepted": len(each.images) - sum(reasons.values()),
        "reasons": dict(reasons),
        "classes": dict(classes),
        "zero_shot": scores(found, each.images, each),
        "classical": scores(plain, each.images, each),
        "tuned": [_tuned_figures(fine_tuned(reader.network, each, n, watch), each, found, plain) for n in each.learn],
    }
    return figures, reasons


def _tuned_figures(tuned: Tuned, each: RealSet, found: dict[str, Found], plain: dict[str, Found]) -> dict[str, object]:
    """Figures of a fine-tuned network on what it did not learn from, beside what was found there before."""
    after = {image.name: seen(tuned.network, image, each.channels) for image in tuned.held}
    return {
        "learnt": list(tuned.learnt),
        "seed": each.seed,
        "held_out": len(tuned.held),
        "seconds": round(tuned.seconds, 1),
        "before": scores(found, tuned.held, each),
        "after": scores(after, tuned.held, each),
        "classical": scores(plain, tuned.held, each),
    }


def _read(reading: MicrographReading, scale: float) -> Found:
    """A reading in pixels of ``scale`` um."""
    masks = (reading.boundary_mask, reading.pore_mask, reading.phase_mask, reading.crack_mask)
    intercept = None if reading.intercept is None else reading.intercept.value / scale
    return Found(dict(zip(CHANNELS, masks, strict=True)), intercept)


def fine_tuned(network: MicrographNet, each: RealSet, number: int, watch: Watch) -> Tuned:
    """Fine-tune as ``labwright train sem --data`` does, on ``number`` images that the set's seed chooses."""
    start = time.process_time()
    order = np.random.default_rng([each.seed, 5]).permutation(len(each.images))
    learnt, held = ([each.images[int(k)] for k in part] for part in (order[:number], order[number:]))
    settings = replace(FINE_TUNING, seed=each.seed)
    tell = watch.counter(f"  fine-tuning on {number}", settings.steps)
    with TemporaryDirectory() as folder:
        report = fine_tune(
            network,
            learnt,
            each.channels,
            settings,
            Path(folder),
            virtual=rehearsal(each.seed),
            progress=lambda done, _total, _loss: tell(done),
        )
    seconds = time.process_time() - start
    return Tuned(report.network, tuple(held), tuple(image.name for image in learnt), seconds)


def seen(network: MicrographNet, image: LabelledImage, taught: Sequence[str]) -> Found:
    """What a network without calibration finds, measured as the reader does."""
    taken = look(network, image.image, taught)
    found = taken.found
    own = {name: taken.seen.maps[k] > LEVEL for k, name in enumerate(network.shape.channels) if name not in CHANNELS}
    masks = {"boundary": found.boundaries, "pore": found.pores, "phase": found.phase, "crack": found.cracks}
    return Found({**masks, **own}, found.intercept)


def scores(
    found: dict[str, Found], images: Sequence[LabelledImage], each: RealSet
) -> dict[str, dict[str, float | None]]:
    """Figures of each channel that is labelled; a channel that a way does not know has none."""
    result: dict[str, dict[str, float | None]] = {}
    for place, name in enumerate(each.channels):
        known = [image for image in images if name in found[image.name].masks]
        if not known:
            continue
        truths = [image.truth[place] for image in known]
        masks = [found[image.name].masks[name] for image in known]
        result[name] = _line_scores(masks, truths) if name in LINES else _area_scores(masks, truths)
        if name == "boundary":
            result[name] |= _size_scores([found[image.name].intercept for image in known], truths)
    return result


def labelled_intercept(lines: Mask) -> float:
    """Mean lineal intercept in pixels of drawn lines.

    Cells that lines enclose miss lines that people left open; lines crossed by rows and columns miss some where a row
    runs along one. Neither finds too many, so that the smaller intercept counts.
    """
    cells = ndimage.label(~ndimage.binary_dilation(lines))[0].astype(np.int32)
    grains: Labels = watershed(np.zeros(cells.shape), cells).astype(np.int32)
    crossings = sum(np.count_nonzero(each[:, 1:] & ~each[:, :-1]) for each in (lines, lines.T))
    return min(mean_intercept(grains), float(2 * lines.size / max(crossings, 1)))


def _line_scores(masks: Sequence[Mask], truths: Sequence[npt.NDArray[np.int8]]) -> dict[str, float | None]:
    """Lines are drawn some pixels thick: their middle counts, of what is found as of what is drawn."""
    matches = [
        line_match(skeletonize(mask & (truth != UNKNOWN)), skeletonize(truth == 1))
        for mask, truth in zip(masks, truths, strict=True)
    ]
    each = [match.f1 for match in matches]
    precision = [match.found_right / max(match.found, 1) for match in matches]
    recall = [match.true_found / max(match.true, 1) for match in matches]
    return rounded({
        "f1": float(np.mean(each)), "f1_worst": min(each), "precision": float(np.mean(precision)),
        "recall": float(np.mean(recall)),
    })  # fmt: skip


def _area_scores(masks: Sequence[Mask], truths: Sequence[npt.NDArray[np.int8]]) -> dict[str, float | None]:
    pairs = [overlap(mask & (truth != UNKNOWN), truth == 1) for mask, truth in zip(masks, truths, strict=True)]
    each = [both / either if either else 1.0 for both, either in pairs]
    total = sum(either for _, either in pairs)
    share = [float(mask.mean() - (truth == 1).mean()) for mask, truth in zip(masks, truths, strict=True)]
    return rounded({
        "iou": sum(both for both, _ in pairs) / total if total else 1.0, "iou_mean": float(np.mean(each)),
        "iou_worst": min(each), "share_mae": float(np.mean(np.abs(share))),
    })  # fmt: skip


def _size_scores(intercepts: Sequence[float | None], truths: Sequence[npt.NDArray[np.int8]]) -> dict[str, float | None]:
    """G differs by 6.6439 times the decimal logarithm of the ratio, whatever the scale."""
    pairs = [
        (size, labelled_intercept(truth == 1))
        for size, truth in zip(intercepts, truths, strict=True)
        if size is not None
    ]
    off = [float(astm_grain_size_number(size) - astm_grain_size_number(true)) for size, true in pairs if size > 0.0]
    return rounded({
        "sized": len(off), "delta_g_mean": float(np.mean(off)) if off else np.nan,
        "delta_g_mean_absolute": float(np.mean(np.abs(off))) if off else np.nan,
        "intercept_px": float(np.mean([size for size, _ in pairs])) if pairs else np.nan,
        "labelled_intercept_px": float(np.mean([true for _, true in pairs])) if pairs else np.nan,
    })  # fmt: skip


def _classical(image: LabelledImage, each: RealSet) -> Found:
    found = classical(image.image, each.tone)
    masks = {"boundary": found.boundaries, "pore": found.pores, "phase": found.phase, "crack": found.cracks}
    return Found(masks, found.intercept)
