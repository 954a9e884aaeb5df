"""Crystal surrogate against a random forest on composition, at a campaign's number of labels; prints a table.

Usage::

    python -m tests.benchmarks.crystals [--labels 295] [--splits 5] [--json] [--out FILE]

Splits are drawn with seeds 100, 101, ...; compounds of one formula stay on one side. Nothing is selected on the test
side. Errors are mean absolute errors of log10(K / GPa) and log10(G / GPa).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import RandomForestRegressor

from envs.crystals import Crystal, CrystalLibrary
from envs.descriptors import CompositionTable
from surrogates.crystal_gnn import CrystalSurrogate
from surrogates.datasets import elastic
from surrogates.pretrained import CrystalEmbedding

MACHINE = "one core of a shared server processor (x86-64), one torch thread, no accelerator"
FIRST_SEED = 100


def split(library: CrystalLibrary, n_labels: int, seed: int) -> tuple[list[Crystal], list[Crystal]]:
    """Labelled and test crystals, no formula on both sides."""
    formulas = np.random.default_rng(seed).permutation(sorted({c.formula for c in library}))
    order = {f: i for i, f in enumerate(formulas)}
    ranked = sorted(library, key=lambda c: (order[c.formula], c.id))
    cut = next(i for i in range(n_labels, len(ranked)) if ranked[i].formula != ranked[i - 1].formula)
    return ranked[:cut], ranked[cut:]


def judge(mean: np.ndarray, std: np.ndarray | None, truth: np.ndarray) -> dict[str, list[float]]:
    """Errors by property (K, G)."""
    figures = {"mae_log10": np.abs(mean - truth).mean(axis=0) / np.log(10)}
    if std is not None:
        z = (mean - truth) / std
        figures["coverage_90"] = (np.abs(z) < 1.645).mean(axis=0)
        figures["nll_log10"] = (0.5 * z**2 + np.log(std / np.log(10)) + 0.5 * np.log(2 * np.pi)).mean(axis=0)
    return {k: [round(float(x), 4) for x in v] for k, v in figures.items()}


def one(library: CrystalLibrary, n_labels: int, seed: int) -> dict[str, object]:
    """Fit and judge both models on one split."""
    table = elastic.load()
    known, unknown = split(library, n_labels, seed)
    truth = np.log([[table[c.id].bulk, table[c.id].shear] for c in unknown])
    labels = np.log([[table[c.id].bulk, table[c.id].shear] for c in known])
    start = time.perf_counter()
    surrogate = CrystalSurrogate(CrystalEmbedding.shipped(library), seed=seed)
    surrogate.fit(known, [table[c.id] for c in known])
    seconds = time.perf_counter() - start
    posterior = surrogate.predict(unknown)
    std = np.sqrt(np.einsum("nii->ni", posterior.covariance))
    features = [CompositionTable(CrystalLibrary(side)).values for side in (known, unknown)]
    forest = RandomForestRegressor(300, random_state=seed).fit(features[0], labels)
    return {
        "seed": seed,
        "labels": len(known),
        "test": len(unknown),
        "surrogate": judge(posterior.mean, std, truth),
        "random_forest": judge(forest.predict(features[1]), None, truth),
        "fit_seconds": round(seconds, 1),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=295)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    library = CrystalLibrary.builtin()
    rows = [one(library, wanted.labels, FIRST_SEED + i) for i in range(wanted.splits)]
    print(f"{'model':14} {'K MAE':>8} {'G MAE':>8} {'K cov90':>8} {'G cov90':>8}")
    means: dict[str, dict[str, list[float]]] = {}
    for model in ("surrogate", "random_forest"):
        metrics = [r[model] for r in rows]
        keys = metrics[0].keys()  # type: ignore[attr-defined]
        means[model] = {k: np.mean([m[k] for m in metrics], axis=0).round(4).tolist() for k in keys}  # type: ignore[index]
        cells = [*means[model]["mae_log10"], *means[model].get("coverage_90", [])]
        print(f"{model:14} " + " ".join(f"{c:8.4f}" for c in cells))
    figures = {
        "command": f"python -m tests.benchmarks.crystals --labels {wanted.labels} --splits {wanted.splits}",
        "date": "2026-11-22",
        "machine": MACHINE,
        "data": "1,181 DFT elastic tensors (de Jong et al., Sci. Data 2, 150009, 2015), split by formula",
        "properties": ["K", "G"],
        "means": means,
        "splits": rows,
    }
    if wanted.out:
        wanted.out.write_text(json.dumps(figures, indent=1) + "\n")
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
