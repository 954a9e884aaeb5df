"""Writes the model card of a micrograph network from what its file says of itself and from measured figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LIMITS = (
    "Learned from virtual images. On images of a real microscope expect more error than the intervals say.",
    "A powder, a fracture surface and whatever is no micrograph are refused, not measured.",
    "The intervals describe the imaged field; how well one field stands for a sample is not in them.",
    "Grains from 8 to 52 pixels were shown; larger ones are read in a reduced image, smaller ones refused.",
)
OWN_LIMITS = (
    "Learned from the images listed here; on another material or another microscope judge it first.",
    "Intervals that the table says were fitted on virtual fields, or not at all, want checking by hand.",
)


def card(metadata: Mapping[str, object], figures: Mapping[str, object] | None = None) -> str:
    """The model card, Markdown.

    Args:
        metadata: of the network's file, as ``load_network`` gives it: ``training``, ``network``, ``data``, ``seeds``,
            ``split``, ``base``, ``calibration_note``, ``command``; what is missing is left out.
        figures: measured ones by table, each a mapping of rows to a number or to numbers by column; None where nobody
            has measured yet.
    """
    own = isinstance(metadata.get("data"), Mapping) and "images" in _mapping(metadata["data"])
    parts = [f"# Model card: {metadata.get('file', 'micrograph.safetensors')}", _purpose(metadata), _facts(metadata)]
    parts += _split(_mapping(metadata.get("split")))
    parts += _figures(figures)
    parts.append(_list("Limits", OWN_LIMITS if own else LIMITS))
    if metadata.get("command"):
        parts.append(
            f"## To make it again\n\n`{metadata['command']}` trains with these settings (`training.toml` beside the "
            "weights), and continues where it was interrupted."
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _purpose(metadata: Mapping[str, object]) -> str:
    channels = _sequence(_mapping(metadata.get("network")).get("channels"))
    classes = _sequence(metadata.get("own_classes"))
    text = "Looks at a micrograph"
    if channels:
        text += f" and tells of each pixel whether it is {_joined(channels)}"
    if classes:
        text += f"; sorts the picture as one of {_joined(classes)}"
    return text + ". The numbers are measured from that (`surrogates/micrograph_reader.py`)."


def _facts(metadata: Mapping[str, object]) -> str:
    """What it was made of and how, as a table."""
    network, training = _mapping(metadata.get("network")), _mapping(metadata.get("training"))
    rows = [
        ("Network", _worded(network)),
        ("Went on from", metadata.get("base", "")),
        ("Data", _worded(metadata.get("data", ""))),
        ("Training", _worded(training)),
        ("Then, in wider crops", _worded(metadata.get("refining", ""))),
        ("Then, classes of pictures", _worded(metadata.get("classes_alone", metadata.get("kinds", "")))),
        ("Then, all together", _worded(metadata.get("classes_together", ""))),
        ("Seeds", _worded(metadata.get("seeds", ""))),
        ("Calibration", metadata.get("calibration_note", "")),
        ("Class head", _worded(metadata.get("class_head", ""))),
    ]
    lines = [f"| {name} | {_cell(text)} |" for name, text in rows if text]
    return "\n".join(["| | |", "|---|---|", *lines])


def _split(split: Mapping[str, Any]) -> list[str]:
    if not split:
        return []
    trained, held = _sequence(split.get("trained")), _sequence(split.get("held_out"))
    judged = ", ".join(map(str, held)) if held else "none: nothing here says how well it does on other images"
    return [f"## Split\n\nTrained on {len(trained)}: {_shortened(trained)}.\n\nJudged with {len(held)}: {judged}."]


def _figures(figures: Mapping[str, object] | None) -> list[str]:
    if not figures:
        return ["## Figures\n\nNot measured yet."]
    return ["## Figures", *(f"### {name}\n\n{_table(_mapping(rows))}" for name, rows in figures.items() if rows)]


def _table(rows: Mapping[str, Any]) -> str:
    """Rows of numbers; with columns where the rows have them."""
    columns = list(dict.fromkeys(key for row in rows.values() if isinstance(row, Mapping) for key in row))
    if not columns:
        body = [f"| {_cell(name)} | {_number(value)} |" for name, value in rows.items()]
        return "\n".join(["| | |", "|---|---|", *body])
    head = ["| | " + " | ".join(map(_cell, columns)) + " |", "|---" * (len(columns) + 1) + "|"]
    body = [
        f"| {_cell(name)} | " + " | ".join(_number(row.get(key, "")) for key in columns) + " |"
        for name, row in rows.items()
        if isinstance(row, Mapping)
    ]
    return "\n".join(head + body)


def _list(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines)


def _worded(value: object) -> str:
    """A mapping as words, other values as they are."""
    if isinstance(value, Mapping):
        return "; ".join(f"{str(key).replace('_', ' ')}: {_worded(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return _number(value)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(text: object) -> str:
    """Text that cannot break the table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def _shortened(names: Sequence[object]) -> str:
    shown = ", ".join(map(str, names[:20]))
    return shown + (f" and {len(names) - 20} more (`split.json`)" if len(names) > 20 else "")


def _joined(names: Sequence[object]) -> str:
    texts = [str(name).replace("_", " ") for name in names]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
