"""The tables behind ``labwright evaluate sem``: how well micrographs are read, beside the classical way."""

from __future__ import annotations

from pathlib import Path

FIELDS = 60
"""Virtual fields of each split unless told otherwise: all takes some ten minutes on one core."""


def evaluate_sem(
    *,
    fields: int = FIELDS,
    data: Path | None = None,
    model: Path | None = None,
    as_json: bool = False,
    out: Path | None = None,
) -> None:
    """Judge a reader of micrographs and print tables; progress goes to standard error.

    Args:
        fields: virtual fields of each split.
        data: folder of labelled real images (NAME.png with NAME_mask.png, or an ``evaluate.toml``).
        model: a file of weights; None takes the shipped one.
        as_json: end with one line of JSON on standard output.
        out: a file that keeps the same JSON, indented.

    Raises:
        UserError: the model or the folder cannot be read.
    """
    raise NotImplementedError
