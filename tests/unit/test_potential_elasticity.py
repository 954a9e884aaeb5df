"""The algebra of elastic tensors against pymatgen and the textbooks."""

import numpy as np
import numpy.typing as npt
import pytest
from pymatgen.analysis.elasticity import ElasticTensor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from envs.prototypes import generate
from simulators.potential_elasticity import (
    BASIS,
    allowed_tensors,
    components,
    fit_tensor,
    hill,
    needed_strains,
    softest,
    voigt,
)

Array = npt.NDArray[np.float64]
TO_MANDEL = np.array([1.0, 1.0, 1.0, 2**0.5, 2**0.5, 2**0.5])


def mandel(engineering: Array) -> Array:
    return np.asarray(engineering * np.outer(TO_MANDEL, TO_MANDEL))


def cubic(c11: float, c12: float, c44: float) -> Array:
    tensor = np.diag([c11 - c12] * 3 + [c44] * 3)
    tensor[:3, :3] += c12
    return mandel(tensor)


def rotations(prototype: str, species: tuple[str, ...]) -> Array:
    operations = SpacegroupAnalyzer(generate(prototype, species).structure()).get_point_group_operations(cartesian=True)
    return np.array([op.rotation_matrix for op in operations])


def a_tensor(seed: int) -> Array:
    half = np.random.default_rng(seed).normal(size=(6, 6))
    return np.asarray(60.0 * half @ half.T + 100.0 * np.eye(6))


@pytest.mark.parametrize("seed", range(5))
def test_bulk_and_shear_modulus_are_those_of_pymatgen(seed: int) -> None:
    tensor = a_tensor(seed)
    theirs = ElasticTensor.from_voigt(voigt(tensor))
    assert hill(tensor) == pytest.approx((theirs.k_vrh, theirs.g_vrh), rel=1e-9)


def test_magnesia_has_its_published_moduli() -> None:
    """C11, C12, C44 = 297, 95, 156 GPa: K = 162, G = 131 (Anderson and Andreatch, J. Am. Ceram. Soc. 49, 404, 1966)."""
    bulk, shear = hill(cubic(297.0, 95.3, 156.1))
    assert bulk == pytest.approx(162.5, abs=0.2)
    assert shear == pytest.approx(131.0, abs=1.5)


@pytest.mark.parametrize(
    ("prototype", "species", "constants", "strains"),
    [
        ("rocksalt", ("Na", "Cl"), 3, 2),
        ("wurtzite", ("Al", "N"), 5, 3),
        ("rutile", ("Ti", "O"), 6, 4),
        ("corundum", ("Al", "O"), 6, 3),
        ("cementite", ("Fe", "C"), 9, 6),
    ],
)
def test_symmetry_leaves_as_many_constants_as_nye_has(
    prototype: str, species: tuple[str, ...], constants: int, strains: int
) -> None:
    allowed = allowed_tensors(rotations(prototype, species))
    assert len(allowed) == constants
    assert len(needed_strains(allowed)) <= strains


def test_no_symmetry_leaves_twenty_one_constants_and_needs_every_strain() -> None:
    allowed = allowed_tensors(np.eye(3)[None])
    assert len(allowed) == 21
    assert needed_strains(allowed) == tuple(range(6))


@pytest.mark.parametrize(("prototype", "species"), [("rocksalt", ("Na", "Cl")), ("corundum", ("Al", "O"))])
def test_a_tensor_is_found_again_from_the_few_strains_that_are_needed(prototype: str, species: tuple[str, ...]) -> None:
    allowed = allowed_tensors(rotations(prototype, species))
    tensor = np.einsum("mij,mab,ab->ij", allowed, allowed, a_tensor(3))
    strains = needed_strains(allowed)
    assert np.allclose(fit_tensor(allowed, strains, tensor[:, strains].T), tensor)


def test_a_strain_has_itself_as_its_only_component() -> None:
    assert np.allclose([components(strain) for strain in BASIS], np.eye(6))


@pytest.mark.parametrize("constants", [(100.0, 120.0, 60.0), (100.0, 60.0, -1.0), (100.0, -60.0, 50.0)])
def test_a_cubic_crystal_that_breaks_one_of_borns_conditions_is_unstable(
    constants: tuple[float, float, float],
) -> None:
    """C11 > C12, C44 > 0 and C11 + 2 C12 > 0 (Born, Proc. Camb. Philos. Soc. 36, 160, 1940)."""
    assert softest(cubic(*constants)) < 0.0
    assert softest(cubic(100.0, 60.0, 50.0)) > 0.0
