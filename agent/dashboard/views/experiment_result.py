"""What an experiment found, against what was expected; what people changed; what its images show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.dashboard.views import shares, words
from agent.dashboard.views.agreement import agrees
from agent.dashboard.views.experiment_list import deviation
from agent.descriptors import DESCRIPTORS
from agent.words import in_print
from instruments.messages import Quantity
from instruments.profile.experiment_messages import Correction, ExperimentState, Histogram, ImageState


@dataclass(frozen=True)
class Measured:
    """One property.

    Args:
        name: of it, as in messages.
        label: for people.
        value: measured, with uncertainty and unit; empty where nothing counts.
        struck: a value that was taken back; empty else.
        predicted: expected, with its standard deviation.
        interval: the prediction's 90% interval.
        verdict: where the value lies in it, for people.
        inside: the same, the measurement's own uncertainty counted; None where it cannot be told.
        low: of the interval, as a share of ``scale``.
        high: likewise.
        mark: the measured value, likewise; None where there is none.
        scale: what the shares are of, for people.
    """

    name: str
    label: str
    value: str
    struck: str = ""
    predicted: str = ""
    interval: str = ""
    verdict: str = ""
    inside: bool | None = None
    low: float = 0.0
    high: float = 0.0
    mark: float | None = None
    scale: str = ""


def measured_of(one: ExperimentState, first: Sequence[str] = ()) -> tuple[Measured, ...]:
    """Each property that was measured or predicted.

    Args:
        one: the experiment.
        first: properties that come first.
    """
    taken = _taken_back(one)
    names = dict.fromkeys([*first, *one.found, *one.prediction, *taken])
    there = [name for name in names if name in one.found or name in one.prediction or name in taken]
    return tuple(_measured(one, name, taken.get(name)) for name in there)


def _taken_back(one: ExperimentState) -> dict[str, Quantity]:
    said = [c.before for c in one.corrections if c.kind == "retracted"]
    return said[-1] if said and one.retracted else {}


def _measured(one: ExperimentState, name: str, taken: Quantity | None) -> Measured:
    found, expected = one.found.get(name) if not one.retracted else None, one.prediction.get(name)
    unit = next((value.unit for value in (found, expected, taken) if value is not None), "1")
    base = Measured(
        name,
        shares.title(name, unit),
        shares.quantity(name, found) if found is not None else "",
        struck=shares.quantity(name, taken) if taken is not None else "",
    )
    if expected is None:
        return base
    found, expected = shares.told(name, found) if found is not None else None, shares.told(name, expected)
    low, high = words.bounds(expected)
    places = _places(low, high, found if found is not None and found.unit == expected.unit else None)
    inside = None
    if places[2] is not None and found is not None:
        inside = agrees(found.value, expected.value, low, high, found.std or 0.0)
    return Measured(
        name,
        base.label,
        base.value,
        base.struck,
        words.expected(expected),
        words.spread(expected),
        _verdict(inside, deviation(one, name), beyond=found is not None and not low <= found.value <= high),
        inside,
        *places,
    )


def _verdict(inside: bool | None, sigmas: float | None, *, beyond: bool) -> str:
    if inside is None:
        return ""
    far = f", {words.number(sigmas, 2)} σ off" if sigmas is not None else ""
    # What lies beyond may be no more than the measurement's own uncertainty.
    counted = ", its own uncertainty counted" if inside and beyond else ""
    return f"{'inside' if inside else 'outside'} the 90% interval{counted}{far}"


def _places(low: float, high: float, found: Quantity | None) -> tuple[float, float, float | None, str]:
    ends = [low, high] if found is None else [low, high, found.value]
    room = 0.15 * ((max(ends) - min(ends)) or 1.0)
    begin, width = min(ends) - room, max(ends) - min(ends) + 2 * room
    mark = None if found is None else (found.value - begin) / width
    return (
        (low - begin) / width,
        (high - begin) / width,
        mark,
        f"{words.number(begin, 3)} to {words.number(begin + width, 3)}",
    )


@dataclass(frozen=True)
class Changed:
    """One correction.

    Args:
        kind: ``corrected`` or ``taken back``.
        by: who.
        at: when.
        reason: why.
        values: property, value before and value after; after is empty where it was taken back.
    """

    kind: str
    by: str
    at: datetime
    reason: str
    values: tuple[tuple[str, str, str], ...]


def changes_of(one: ExperimentState) -> tuple[Changed, ...]:
    """What people changed, the newest first, each with what stood there before and after."""
    said: list[Changed] = []
    after: dict[str, Quantity] = dict(one.found)
    for change in reversed(one.corrections):
        said.append(_changed(change, after))
        after = {**after, **change.before}
    return tuple(said)


def _changed(change: Correction, after: dict[str, Quantity]) -> Changed:
    kind = "corrected" if change.kind == "amended" else "taken back"
    values = []
    for name, before in change.before.items():
        now = after.get(name) if change.kind == "amended" else None
        if change.kind == "retracted" or now != before:
            is_now = shares.quantity(name, now) if now is not None else ""
            values.append((shares.title(name, before.unit), shares.quantity(name, before), is_now))
    return Changed(kind, change.by, change.at, change.reason, tuple(values))


@dataclass(frozen=True)
class ImageView:
    """One image.

    Args:
        number: of the sample's images, from 1.
        image: SHA-256 of the file.
        overlay: SHA-256 of what the network saw in it; empty where it saw nothing.
        state: for people: counts, was refused, is being read.
        tone: how that looks.
        reason: why it was refused, and what to do.
        facts: names and values: pixel size, its source, grains, mean diameter, porosity, size.
        pixel_um: edge of a pixel of the file, in µm; None where it is not known.
        diameters: how often each diameter was found.
        mean: mean diameter.
    """

    number: int
    image: str
    overlay: str
    state: str
    tone: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    pixel_um: float | None
    diameters: Histogram | None
    mean: Quantity | None


def images_of(one: ExperimentState) -> tuple[ImageView, ...]:
    """The images of an experiment, the newest first."""
    return tuple(_image(image) for image in reversed(one.images))


def _grains(image: ImageState) -> str:
    """How many were counted, and how many of them have a diameter: of those that the frame cuts nobody knows it."""
    if not image.n_grains:
        return ""
    sized = sum(image.diameters.counts) if image.diameters is not None else image.n_grains
    more = f", {words.grouped(str(sized))} with a diameter" if sized != image.n_grains else ""
    return f"{words.grouped(str(image.n_grains))}{more}"


def _image(image: ImageState) -> ImageView:
    said = {True: ("counts", "good"), False: ("refused", "warn"), None: ("is being read", "info")}[image.accepted]
    facts = [
        ("Class", _class(image)),
        ("Mean grain diameter", words.quantity(image.grain_size) if image.grain_size is not None else ""),
        ("Grains counted", _grains(image)),
        ("Porosity", shares.quantity("porosity", image.porosity) if image.porosity is not None else ""),
        *_descriptors(image),
        ("Pixel size", _scale(image)),
        ("File", f"{image.media_type}, {words.number(image.bytes / 1e6, 3)} MB" if image.bytes else image.media_type),
    ]
    size = image.pixel_size
    factor = {"um": 1.0, "nm": 1e-3, "mm": 1e3}.get(size.unit) if size is not None else None
    pixel = size.value * factor if size is not None and factor is not None else None
    return ImageView(
        number=image.attempt + 1,
        image=image.image,
        overlay=image.overlay or "",
        state=said[0],
        tone=said[1],
        reason=in_print(image.reason),
        facts=tuple((name, value) for name, value in facts if value),
        pixel_um=pixel,
        diameters=image.diameters,
        mean=image.grain_size,
    )


def _class(image: ImageState) -> str:
    if not image.microstructure or image.class_probability is None:
        return image.microstructure
    return f"{image.microstructure}, {words.percent(image.class_probability)} sure"


def _descriptors(image: ImageState) -> Iterator[tuple[str, str]]:
    """What is known first, in its order; then what another agent may tell."""
    told = image.descriptors
    for name in [*(name for name in DESCRIPTORS if name in told), *(name for name in told if name not in DESCRIPTORS)]:
        label = DESCRIPTORS.get(name) or words.label(name)
        yield label[:1].upper() + label[1:], shares.quantity(name, told[name])


def _scale(image: ImageState) -> str:
    if image.pixel_size is None:
        return "not known: the image has no scale"
    source = f", from {words.label(image.scale_source)}" if image.scale_source else ""
    return f"{words.quantity(image.pixel_size)}{source}"


def bar_of(pixel_um: float, width: int) -> tuple[float, str]:
    """A scale bar for an image: its length as a share of the width, and what it says.

    Args:
        pixel_um: edge of a pixel, µm.
        width: of the image, in pixels.
    """
    whole = pixel_um * width
    lengths = [n * 10.0**power for power in range(-4, 5) for n in (1.0, 2.0, 5.0)]
    fitting = max((one for one in lengths if one <= whole / 4), default=whole / 4)
    text = f"{words.number(fitting, 3)} µm" if fitting >= 1 else f"{words.number(1000 * fitting, 3)} nm"
    return fitting / whole, text


_READ: Final = ("grain_size", "porosity")
"""What is read in images, by its name in messages."""


def editable(one: ExperimentState) -> tuple[tuple[str, Quantity], ...]:
    """What can be corrected: what an instrument measured, by its name in messages; what was taken back too.

    What the network read in an image is not: nobody has measured it, and the agent keeps it as it was read.
    """
    values = {**_taken_back(one), **one.found}
    read = {name for image in one.images if image.accepted for name in _READ if getattr(image, name) is not None}
    return tuple((name, quantity) for name, quantity in values.items() if name not in read)
