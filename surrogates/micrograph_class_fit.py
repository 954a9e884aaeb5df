"""Fits the class head on what the trained network sees in pictures of every class; minutes on one core."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from envs.errors import UserError
from surrogates.micrograph_classes import CLASSES, PREFIX, SECTIONS, ClassHead, class_features
from surrogates.micrograph_cnn import MicrographNet, Seen, load_heads, load_network, save_network
from surrogates.micrograph_io import read_micrograph
from surrogates.micrograph_measure import Segmentation
from surrogates.micrograph_scales import look as look_at
from surrogates.quality import exposure_problem

Grey = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Look = Callable[[MicrographNet, Grey], tuple[Seen, Segmentation]]

SECTION = ""
"""Name of a picture of a polished section of which nobody says more."""
FOLDS, WIDTH = 4, 64
"""Small networks, each fitted without one part of the pictures, and the hidden units of each."""
EPOCHS, RATE, DECAY, DROPOUT, JITTER = 300, 4e-3, 3e-2, 0.4, 0.15
"""Of their fit: AdamW (Loshchilov and Hutter, ICLR 2019); the jitter is added to standardised features."""
POOLED_WEIGHT = 0.3
"""Of the network's pooled features against counted ones: they are many, and tell sections apart less well."""
AXES = 40
"""Principal axes along which strangeness is measured."""
FALSE_ALARMS, LEAST_WRONG, MOST_WRONG = 0.03, 0.85, 0.95
"""Share of good pictures that may be refused as wrong ones, and where the probability that decides must lie."""
WIDE = 1.5
"""Strangeness beyond this many times that of the strangest hundredth of good pictures is too much."""
CUTS_OF_AN_INLIER = 12
IMAGES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_FEWEST = 200


@dataclass(frozen=True)
class ClassFit:
    """The fitted head and what it reached on pictures that the judging member was not fitted on.

    Args:
        head: to keep with the network.
        n_pictures: fitted on.
        accuracy: share of the labelled pictures whose class is right, the classes weighted alike.
        refused: share of the pictures that are no section that are refused.
        false_alarms: share of the sections that are refused as something else.
    """

    head: ClassHead
    n_pictures: int
    accuracy: float
    refused: float
    false_alarms: float

    def to_dict(self) -> dict[str, float]:
        """Figures for the model card."""
        return {
            "n_pictures": self.n_pictures,
            "accuracy": self.accuracy,
            "refused": self.refused,
            "false_alarms": self.false_alarms,
        }


def fit_class_head(
    net: MicrographNet,
    pictures: Iterable[tuple[Grey, str]],
    *,
    inliers: Sequence[Path] = (),
    look: Look | None = None,
    progress: Callable[[int], None] | None = None,
    seed: int = 0,
) -> ClassFit:
    """Fit the class head for a network.

    Args:
        net: trained.
        pictures: image (H, W) and its class, or ``SECTION`` for a polished section of any class.
        inliers: files or folders of one's own good micrographs; cuts of them are taken for sections.
        look: what the reader does to see and segment an image; None does as ``MicrographReader`` does.
        progress: called with the number of pictures seen so far.
        seed: of folds, first weights and cuts.

    Raises:
        UserError: a class is missing, there are too few pictures, or an inlier cannot be read.
    """
    looked = look or _look
    features, names = [], []
    # Pooled features count less, being many; the logits of a branch of the network's own count as they are.
    pooled = 0 if net.shape.kinds else 2 * (net.shape.coarse + net.shape.fine)
    for image, name in _cuts(inliers, seed):
        features.append(class_features(*looked(net, image)))
        names.append(name)
    own = len(names)
    for number, (image, name) in enumerate(pictures, start=1):
        # What is refused before the network looks at it needs no class, and would teach a head what it never meets.
        if exposure_problem(image) is None:
            features.append(class_features(*looked(net, image)))
            names.append(name)
        if progress is not None:
            progress(number + own)
    return fit_head(np.array(features), names, seed, pooled)


def with_class_head(
    path: Path,
    pictures: Iterable[tuple[Grey, str]],
    *,
    inliers: Sequence[Path] = (),
    look: Look | None = None,
    progress: Callable[[int], None] | None = None,
    seed: int = 0,
) -> ClassFit:
    """Fit the class head for the network of a weights file and keep it there, beside its other heads.

    Arguments and errors are those of ``fit_class_head``.
    """
    net, metadata = load_network(path)
    fit = fit_class_head(net, pictures, inliers=inliers, look=look, progress=progress, seed=seed)
    others = {key: value for key, value in load_heads(path).items() if not key.startswith(PREFIX)}
    save_network(net, path, {**metadata, "classes": fit.to_dict()}, heads={**others, **fit.head.to_tensors()})
    return fit


def fit_head(features: Floats, names: Sequence[str], seed: int = 0, pooled: int = 0) -> ClassFit:
    """Fit the head on features, which are cheap to keep and fit again.

    Args:
        features: shape (N, F).
        names: of the classes, (N,).
        seed: of folds and first weights.
        pooled: how many of the features, the first ones, are the network's own.

    Raises:
        UserError: a class is missing, or there are too few pictures.
    """
    missing = [name for name in CLASSES if name not in names]
    if missing or len(names) < _FEWEST:
        what = f"no picture of {', '.join(missing)}" if missing else f"{len(names)} pictures"
        raise UserError(f"classes cannot be fitted on {what}: take all ten classes and at least {_FEWEST} pictures")
    kinds = np.array([CLASSES.index(name) if name else -1 for name in names])
    good = (kinds < len(SECTIONS)) & (kinds >= -1)
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    scale[:pooled] /= POOLED_WEIGHT
    rng = np.random.default_rng([seed, 31])
    fold = rng.permutation(len(kinds)) % FOLDS
    rough = ClassHead(
        mean,
        scale,
        *(np.zeros(0),) * 4,
        np.ones(()),
        np.zeros((len(mean), 1)),
        np.zeros_like(mean),
        *(np.ones(()),) * 2,
    )
    inputs = rough.standardised(features)
    members, logits = [], np.zeros((len(kinds), len(CLASSES)))
    for index in range(FOLDS):
        out = fold == index
        member = _member(inputs[~out], kinds[~out], seed * FOLDS + index)
        with torch.inference_mode():
            logits[out] = member(torch.from_numpy(inputs[out]).float()).double().numpy()
        members.append([part.detach().double().numpy() for part in member.parameters()])
    temperature = _temperature(logits, kinds)
    wrong = _wrong(logits / temperature)
    wrong_from = float(np.clip(np.quantile(wrong[good], 1.0 - FALSE_ALARMS), LEAST_WRONG, MOST_WRONG))
    axes, centre = _axes(inputs[good])
    strange = np.sqrt((((inputs - centre) @ axes) ** 2).mean(axis=1))
    # The mean of the members' logits is the logits of one network as wide as all of them.
    head = ClassHead(
        mean=mean,
        scale=scale,
        hidden=np.concatenate([each[0].T for each in members], axis=1),
        hidden_bias=np.concatenate([each[1] for each in members]),
        out=np.concatenate([each[2].T for each in members], axis=0) / FOLDS,
        out_bias=np.mean([each[3] for each in members], axis=0),
        temperature=np.array(temperature),
        axes=axes,
        centre=centre,
        limit=np.array(WIDE * float(np.quantile(strange[good], 0.99))),
        wrong_from=np.array(wrong_from),
    )
    right = [float((logits[kinds == kind].argmax(axis=1) == kind).mean()) for kind in range(len(CLASSES))]
    return ClassFit(
        head=head,
        n_pictures=len(kinds),
        accuracy=float(np.mean(right)),
        refused=float((wrong[~good] > wrong_from).mean()),
        false_alarms=float((wrong[good] > wrong_from).mean()),
    )


def _look(net: MicrographNet, image: Grey) -> tuple[Seen, Segmentation]:
    """As the reader looks at an image."""
    taken = look_at(net, image)
    return taken.seen, taken.found


def _member(inputs: Floats, kinds: npt.NDArray[np.int64], seed: int) -> nn.Sequential:
    """One small network on standardised features (N, F), in evaluation mode; -1 is a section of any class."""
    x, y = torch.from_numpy(inputs).float(), torch.from_numpy(kinds)
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(x.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, len(CLASSES)))
    with torch.no_grad():
        for part in net.parameters():
            wide = part.shape[-1] if part.dim() > 1 else 1e4
            part.copy_(torch.randn(part.shape, generator=generator) * (1.0 / wide) ** 0.5)
    counts = torch.bincount(y + 1, minlength=len(CLASSES) + 1).clamp_min(1).float()
    weights = (1.0 / counts)[y + 1]
    weights = weights / weights.mean()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS)
    for _ in range(EPOCHS):
        shown = x + JITTER * torch.randn(x.shape, generator=generator)
        hidden = net[1](net[0](shown))
        kept = (torch.rand(hidden.shape, generator=generator) > DROPOUT).float() / (1.0 - DROPOUT)
        loss = (weights * _loss(net[2](hidden * kept), y)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def _loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Negative log-likelihood (N,) of the class; of -1, that it is any of the sections."""
    logs = functional.log_softmax(logits, dim=1)
    any_section = torch.logsumexp(logs[:, : len(SECTIONS)], dim=1)
    own = logs.gather(1, kinds.clamp_min(0)[:, None])[:, 0]
    return -torch.where(kinds < 0, any_section, own)


def _temperature(logits: Floats, kinds: npt.NDArray[np.int64]) -> float:
    """What logits must be divided by to be probabilities, from those of pictures that were held out."""
    labelled = kinds >= 0
    given, target = torch.from_numpy(logits[labelled]), torch.from_numpy(kinds[labelled])
    counts = torch.bincount(target, minlength=len(CLASSES)).clamp_min(1).double()
    tried = np.exp(np.linspace(np.log(0.4), np.log(4.0), 60))
    losses = [float(functional.cross_entropy(given / t, target, 1.0 / counts)) for t in tried]
    return float(tried[int(np.argmin(losses))])


def _wrong(logits: Floats) -> Floats:
    """Probability (N,) that a picture is no section."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    wrong: Floats = shares[:, len(SECTIONS) :].sum(axis=1) / shares.sum(axis=1)
    return wrong


def _axes(good: Floats) -> tuple[Floats, Floats]:
    """Principal axes (F, K) of standardised features (N, F), each over its deviation, and their centre (F,)."""
    centre = good.mean(axis=0)
    _, spread, directions = np.linalg.svd(good - centre, full_matrices=False)
    deviations = spread[:AXES] / np.sqrt(len(good))
    return directions[:AXES].T / np.maximum(deviations, 1e-6), centre


def _cuts(paths: Sequence[Path], seed: int) -> Iterator[tuple[Grey, str]]:
    """Cuts of one's own good micrographs, mirrored and toned."""
    for index, path in enumerate(_files(paths)):
        image = read_micrograph(path).image
        rng = np.random.default_rng([seed, 53, index])
        for _ in range(CUTS_OF_AN_INLIER):
            rows, columns = (min(n, int(rng.integers(min(224, n), min(640, n) + 1))) for n in image.shape)
            top, left = (int(rng.integers(0, n - m + 1)) for n, m in zip(image.shape, (rows, columns), strict=True))
            cut = image[top : top + rows, left : left + columns]
            cut = np.rot90(cut, int(rng.integers(4)))[:: int(rng.choice((-1, 1)))]
            toned = np.clip(float(rng.uniform(-0.08, 0.08)) + float(rng.uniform(0.75, 1.2)) * cut, 0.0, 1.0)
            yield np.ascontiguousarray(toned, dtype=np.float32), SECTION


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in IMAGES)
        if not found:
            raise UserError(f"{path}: no micrographs in this folder; name one with TIFF, PNG or JPEG files")
        yield from found
