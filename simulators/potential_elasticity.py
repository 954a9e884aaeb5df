"""The algebra of elastic tensors: symmetric strains, the form that a point group allows, stability, and averages.

Tensors are 6 x 6 in the Kelvin-Mandel basis of symmetric matrices, in which rotations are orthogonal and eigenvalues
mean the same as in three dimensions (Mehrabadi and Cowin, Q. J. Mech. Appl. Math. 43, 15, 1990).
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_TO_VOIGT = np.array([1.0, 1.0, 1.0, np.sqrt(0.5), np.sqrt(0.5), np.sqrt(0.5)])


def _basis() -> FloatArray:
    basis = np.zeros((6, 3, 3))
    for k, (i, j) in enumerate(_PAIRS):
        basis[k, i, j] = basis[k, j, i] = 1.0 if i == j else np.sqrt(0.5)
    return basis


BASIS = _basis()
"""Orthonormal symmetric matrices, ``(6, 3, 3)``: xx, yy, zz, yz, xz, xy."""


def components(matrix: FloatArray) -> FloatArray:
    """A symmetric matrix ``(3, 3)`` in the basis, ``(6,)``."""
    return np.asarray(np.einsum("kij,ij->k", BASIS, matrix))


def allowed_tensors(rotations: FloatArray) -> FloatArray:
    """An orthonormal basis of the elastic tensors that a point group leaves as they are.

    Args:
        rotations: Cartesian operations of the point group, ``(n, 3, 3)``.

    Returns:
        ``(m, 6, 6)`` symmetric tensors; m is 3 for cubic crystals and 21 for triclinic ones (Nye, Physical Properties
        of Crystals, 1957, table 9).
    """
    turned = np.einsum("kij,nai,nbj,lab->nlk", BASIS, rotations, rotations, BASIS)
    units = []
    for i, j in itertools.combinations_with_replacement(range(6), 2):
        unit = np.zeros((6, 6))
        unit[i, j] = unit[j, i] = 1.0 if i == j else np.sqrt(0.5)
        units.append(np.einsum("nab,bc,ndc->ad", turned, unit, turned).ravel() / len(turned))
    _, sizes, rows = np.linalg.svd(np.array(units))
    return np.asarray(rows[: int(np.sum(sizes > 1e-6))].reshape(-1, 6, 6))


def needed_strains(allowed: FloatArray) -> tuple[int, ...]:
    """The fewest strains of the basis whose stresses determine an allowed tensor, as indices.

    Args:
        allowed: what ``allowed_tensors`` gave, ``(m, 6, 6)``.
    """
    for count in range(1, 6):
        for chosen in itertools.combinations(range(6), count):
            if np.linalg.matrix_rank(allowed[:, :, chosen].reshape(len(allowed), -1), tol=1e-6) == len(allowed):
                return chosen
    return tuple(range(6))


def fit_tensor(allowed: FloatArray, strains: tuple[int, ...], responses: FloatArray) -> FloatArray:
    """The allowed tensor that fits measured responses best (least squares).

    Args:
        allowed: ``(m, 6, 6)``.
        strains: indices of the strains applied.
        responses: derivative of the stress by each of them, ``(len(strains), 6)``, in GPa.

    Returns:
        ``(6, 6)`` in GPa.
    """
    design = allowed[:, :, strains].transpose(0, 2, 1).reshape(len(allowed), -1).T
    weights, *_ = np.linalg.lstsq(design, responses.ravel(), rcond=None)
    return np.asarray(np.einsum("m,mij->ij", weights, allowed))


def softest(tensor: FloatArray) -> float:
    """Smallest eigenvalue in GPa; a crystal is elastically stable where it is positive.

    Source: Mouhat and Coudert, Phys. Rev. B 90, 224104 (2014), the criterion that holds for every symmetry.
    """
    return float(np.linalg.eigvalsh(tensor)[0])


def voigt(tensor: FloatArray) -> FloatArray:
    """The same tensor in the engineers' notation, ``(6, 6)``, order xx, yy, zz, yz, xz, xy."""
    return np.asarray(tensor * np.outer(_TO_VOIGT, _TO_VOIGT))


def hill(tensor: FloatArray) -> tuple[float, float]:
    """Bulk and shear modulus of the polycrystal, mean of Voigt's and Reuss's bounds.

    Source: Hill, Proc. Phys. Soc. A 65, 349 (1952). With J the isotropic projector, Voigt's bulk modulus is
    (J : C) / 3 and his shear modulus ((I - J) : C) / 10; Reuss's are the same of the inverse.

    Args:
        tensor: stable, ``(6, 6)``, GPa.

    Returns:
        K and G in GPa.
    """
    ones = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    spherical = np.outer(ones, ones) / 3.0
    deviatoric = np.eye(6) - spherical
    compliance = np.linalg.inv(tensor)
    bulk_voigt = float(np.sum(spherical * tensor)) / 3.0
    shear_voigt = float(np.sum(deviatoric * tensor)) / 10.0
    bulk_reuss = 1.0 / (3.0 * float(np.sum(spherical * compliance)))
    shear_reuss = 5.0 / (2.0 * float(np.sum(deviatoric * compliance)))
    return 0.5 * (bulk_voigt + bulk_reuss), 0.5 * (shear_voigt + shear_reuss)
