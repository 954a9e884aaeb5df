"""Crystals as PyTorch Geometric ``Data``: a node per atom with the backbone's features, and the cell as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch_geometric.data import Batch, Data

from envs.crystals import Crystal
from surrogates.pretrained import CrystalEmbedding, FloatArray


def crystal_graph(crystal: Crystal, features: FloatArray) -> Data:
    """One crystal as a PyG graph.

    Args:
        crystal: the structure, n_atoms atoms.
        features: node features that already carry each atom's periodic surroundings, ``n_atoms x n_features``.

    Returns:
        ``Data`` with ``x`` (n_atoms x n_features) and ``state`` (1 x 1, log of the volume per atom in cubic angstrom).

    Raises:
        ValueError: when the features do not fit the crystal's atoms.
    """
    if len(features) != crystal.n_atoms:
        raise ValueError(f"{crystal.id}: {len(features)} feature rows for {crystal.n_atoms} atoms")
    state = torch.tensor([[np.log(crystal.volume / crystal.n_atoms)]], dtype=torch.float32)
    return Data(x=torch.from_numpy(features), state=state)


def crystal_batch(crystals: Sequence[Crystal], embedding: CrystalEmbedding) -> Batch:
    """The crystals' graphs as one disjoint union."""
    return Batch.from_data_list([crystal_graph(c, embedding.features(c)) for c in crystals])
