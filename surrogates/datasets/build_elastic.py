"""Make the compact tables from the original deposit: ``python -m surrogates.datasets.build_elastic ORIGINAL.json.gz``.

The original is ``elastic_tensor_2015.json.gz``, as also found in the source distribution of matminer 0.5.5 on PyPI.
Coordinates keep at least 1e-6 of a cell edge and lattice vectors 1e-6 angstrom.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from envs.crystals import LIBRARY_FILE
from surrogates.datasets.elastic import TABLE

ROOT = Path(__file__).resolve().parents[2]


def read_original(path: Path) -> list[dict[str, Any]]:
    """Rows of the original table (pandas "split" orientation) as dictionaries."""
    with gzip.open(path, "rt") as handle:
        raw = json.load(handle)
    return [dict(zip(raw["columns"], row, strict=True)) for row in raw["data"]]


def write_structures(rows: list[dict[str, Any]], path: Path) -> None:
    """Write lattices, species and coordinates as one compressed NumPy archive."""
    from pymatgen.core import Structure

    structures = [Structure.from_dict(row["structure"]) for row in rows]
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        path,
        id=np.array([row["material_id"] for row in rows]),
        formula=np.array([s.composition.reduced_formula for s in structures]),
        space_group=np.array([row["space_group"] for row in rows], dtype=np.int16),
        n_atoms=np.array([len(s) for s in structures], dtype=np.int16),
        lattice=np.array([np.round(s.lattice.matrix, 6) for s in structures]),
        numbers=np.concatenate([[site.specie.Z for site in s] for s in structures]).astype(np.uint8),
        frac_coords=np.round(np.concatenate([s.frac_coords for s in structures]), 7),
    )


def write_moduli(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the Voigt-Reuss-Hill moduli as CSV."""
    with path.open("w", newline="") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(["id", "bulk_modulus_GPa", "shear_modulus_GPa"])
        for row in rows:
            table.writerow([row["material_id"], f"{row['K_VRH']:.4f}", f"{row['G_VRH']:.4f}"])


def main() -> None:
    """Read the original, write both tables into the source tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("original", type=Path)
    rows = sorted(read_original(parser.parse_args().original), key=lambda row: int(row["material_id"].split("-")[1]))
    write_structures(rows, ROOT / "envs" / LIBRARY_FILE)
    write_moduli(rows, ROOT / "surrogates" / "datasets" / TABLE)


if __name__ == "__main__":
    main()
