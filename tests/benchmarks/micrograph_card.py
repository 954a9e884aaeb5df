"""Writes the shipped network's model card from what its file says of itself and from the measured figures.

Usage::

    python -m tests.benchmarks.micrograph_card
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surrogates.micrograph_card import card
from surrogates.micrograph_cnn import load_network
from surrogates.micrograph_reader import SHIPPED

MEASURED = Path("docs/results/micrograph_cnn.json")
ROWS = {
    "boundary_f1": "boundary F1 within 2 px, mean of fields",
    "intercept_median_error": "mean intercept, median relative error",
    "grain_size_median_error": "grain size against the material's, median relative error",
    "porosity_mae": "porosity, mean absolute error",
    "porosity_median_error": "porosity, median absolute error",
    "phase_iou_pooled": "second phase, pooled IoU",
    "crack_f1": "cracks, F1 within 2 px, mean of fields",
    "grain_size_90_coverage": "90% interval of the grain size holds the truth",
    "intercept_90_coverage": "90% interval of the intercept holds the truth",
    "porosity_90_coverage": "90% interval of the porosity holds the truth",
    "phase_fraction_90_coverage": "90% interval of the phase fraction holds the truth",
}


def main() -> None:
    """Run from the command line."""
    measured = json.loads(MEASURED.read_text())
    _, metadata = load_network(SHIPPED)
    SHIPPED.with_suffix(".md").write_text(card(metadata, figures(measured)), encoding="utf-8")


def figures(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of the card from the measurement's JSON."""
    virtual = {
        words: {
            f"{split}, {which}": measured["virtual"][split][way][which][name]
            for split in measured["virtual"]
            for way, which in (("network", "all"), ("network", "accepted"))
        }
        for name, words in ROWS.items()
    }
    refused = {
        name: {"refused": each["refused"], "of": each["pictures"]}
        for table in ("faults", "wrong_kinds", "false_alarms")
        for name, each in measured[table].items()
    }
    classes = {name: {"right": share} for name, share in measured["classes"]["each"].items()}
    title = f"On held-out virtual images ({measured['date']}, {measured['fields']} fields of each kind)"
    return {title: virtual, "Classes of pictures": classes, "Refused (false alarms last)": refused}


if __name__ == "__main__":
    main()
