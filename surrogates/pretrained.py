"""Per-atom features of a crystal from a pretrained equivariant message-passing network.

The backbone is SevenNet-0 (Park et al., J. Chem. Theory Comput. 20, 4857, 2024), an interatomic potential fitted to
energies, forces and stresses of the Materials Project; its weights come with the ``sevenn`` distribution (MIT). It has
seen no elastic tensor. Its scalar channels after the last two interaction blocks are compressed by a principal
component analysis over the built-in library (structures only, no labels) and ship with the package, so that a first
run embeds nothing; ``labwright train embedding`` makes the file again.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ase import Atoms
from safetensors.numpy import load_file, save_file

from envs.crystals import Crystal, CrystalLibrary

BACKBONE = "7net-0"
LAYERS = ("3_equivariant_gate", "4_equivariant_gate")
N_SCALARS = 128
N_COMPONENTS = 64
SHIPPED = "models/crystal_embedding.safetensors"

FloatArray = npt.NDArray[np.float32]


class Backbone:
    """The pretrained network up to its last interaction block, on one crystal at a time."""

    @cached_property
    def _network(self) -> Any:
        from sevenn.util import model_from_checkpoint, pretrained_name_to_path

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network, _ = model_from_checkpoint(pretrained_name_to_path(BACKBONE))
        names = [name for name, _ in network.named_children()]
        for name in names[names.index(LAYERS[-1]) + 1 :]:
            network.delete_module_by_key(name)
        network.key_grad = None
        network.set_is_batch_data(False)
        return network.eval()

    def embed(self, crystal: Crystal) -> FloatArray:
        """Scalar features, ``n_atoms x (len(LAYERS) * N_SCALARS)``."""
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph

        atoms = Atoms(crystal.numbers, scaled_positions=crystal.frac_coords, cell=crystal.lattice, pbc=True)
        captured: list[torch.Tensor] = []
        hooks = [
            getattr(self._network, layer).register_forward_hook(
                lambda _module, _inputs, output: captured.append(output["x"][:, :N_SCALARS].clone())
            )
            for layer in LAYERS
        ]
        try:
            with torch.no_grad():
                self._network(AtomGraphData.from_numpy_dict(unlabeled_atoms_to_graph(atoms, self._network.cutoff)))
        finally:
            for hook in hooks:
                hook.remove()
        return torch.cat(captured, dim=1).numpy()


class CrystalEmbedding:
    """Compressed per-atom features by crystal, computed once and kept.

    Args:
        mean: feature means, ``n_raw``.
        components: principal directions, ``n_raw x N_COMPONENTS``, scaled so that the first has unit variance.
        known: features by structure identifier, each ``n_atoms x N_COMPONENTS``.
    """

    def __init__(self, mean: FloatArray, components: FloatArray, known: dict[str, FloatArray]) -> None:
        self._mean = mean
        self._components = components
        self._known = known
        self._backbone = Backbone()

    def features(self, crystal: Crystal) -> FloatArray:
        """Features of one crystal, ``n_atoms x N_COMPONENTS``; runs the backbone for one not seen before."""
        if crystal.id not in self._known:
            self._known[crystal.id] = self._compress(self._backbone.embed(crystal))
        return self._known[crystal.id]

    def _compress(self, raw: FloatArray) -> FloatArray:
        return ((raw - self._mean) @ self._components).astype(np.float32)

    @staticmethod
    def shipped(library: CrystalLibrary) -> CrystalEmbedding:
        """The features that ship with the package for the built-in library."""
        with resources.as_file(resources.files("surrogates") / SHIPPED) as path:
            tensors = load_file(path)
        ends = np.cumsum([c.n_atoms for c in library])
        rows = tensors["features"].astype(np.float32)
        known = {c.id: rows[end - c.n_atoms : end] for c, end in zip(library, ends, strict=True)}
        return CrystalEmbedding(tensors["mean"], tensors["components"], known)


def fit_embedding(crystals: Sequence[Crystal], path: Path) -> None:
    """Embed a library, fit the compression on it, and write both as safetensors (features as float16)."""
    from rich.progress import track

    backbone = Backbone()
    raw = np.concatenate([backbone.embed(c) for c in track(crystals, description="Embedding crystals")])
    mean = raw.mean(axis=0)
    _, singular, directions = np.linalg.svd(raw - mean, full_matrices=False)
    components = directions[:N_COMPONENTS].T / (singular[0] / np.sqrt(len(raw)))
    save_file(
        {
            "mean": mean.astype(np.float32),
            "components": np.ascontiguousarray(components, dtype=np.float32),
            "features": ((raw - mean) @ components).astype(np.float16),
        },
        path,
        metadata={"backbone": BACKBONE, "layers": ",".join(LAYERS), "n_crystals": str(len(crystals))},
    )
