"""Elastic laws against measured velocities and moduli, other theories' limits, and themselves."""

from __future__ import annotations

import numpy as np
import pytest

from envs import laws


@pytest.mark.parametrize(
    ("name", "young", "poisson", "density", "longitudinal", "shear"),
    [
        # Measured by ultrasound on polycrystals: alumina (Asmani et al., J. Eur. Ceram. Soc. 21, 1081, 2001), fused
        # silica and tungsten (CRC Handbook, section 14: 5,968 and 3,764; 5,220 and 2,890 m/s).
        ("alumina", 400.0, 0.232, 3980.0, 10_850.0, 6_390.0),
        ("fused silica", 73.0, 0.17, 2200.0, 5_968.0, 3_764.0),
        ("tungsten", 411.0, 0.28, 19_300.0, 5_220.0, 2_890.0),
    ],
)
def test_sound_goes_as_fast_as_measured(
    name: str, young: float, poisson: float, density: float, longitudinal: float, shear: float
) -> None:
    bulk, rigid = laws.bulk_and_shear(young, poisson)
    assert laws.longitudinal_velocity(bulk, rigid, density) == pytest.approx(longitudinal, rel=0.02), name
    assert laws.shear_velocity(rigid, density) == pytest.approx(shear, rel=0.02), name


def test_velocities_and_density_give_the_moduli_back() -> None:
    bulk, shear = np.array([442.0, 160.0, 37.0]), np.array([535.0, 130.0, 31.0])
    density = np.array([3515.0, 3584.0, 2200.0])
    v_l, v_t = laws.longitudinal_velocity(bulk, shear, density), laws.shear_velocity(shear, density)
    found = laws.moduli_from_velocities(v_l, v_t, density)
    np.testing.assert_allclose(found, (bulk, shear))
    back = laws.bulk_and_shear(laws.youngs_modulus(bulk, shear), laws.poisson_ratio(bulk, shear))
    np.testing.assert_allclose(back, (bulk, shear))
    assert ((v_t < laws.mean_velocity(v_l, v_t)) & (laws.mean_velocity(v_l, v_t) < v_l)).all()


def test_porous_alumina_is_as_stiff_as_measured() -> None:
    # Knudsen, J. Am. Ceram. Soc. 45, 94 (1962): E0 = 410 GPa with b = 3.95; at P = 0.2 some 185 GPa.
    assert laws.spriggs_stiffness(410.0, 0.2, exponent=3.95) == pytest.approx(186.0, rel=0.01)
    assert laws.phani_niyogi_stiffness(410.0, 0.2, packing=1.5, exponent=2.2) == pytest.approx(186.0, rel=0.05)


def test_laws_of_porosity_agree_on_few_pores_and_end_where_they_say() -> None:
    few = 1e-4
    # A dilute suspension of round holes at v = 0.2 softens both moduli twice as fast as they take space.
    bulk, shear = laws.bulk_and_shear(400.0, 0.2)
    soft = laws.mackenzie_moduli(bulk, shear, few)
    np.testing.assert_allclose((1.0 - soft[0] / bulk, 1.0 - soft[1] / shear), 2.0 * few, rtol=1e-3)
    spriggs = 1.0 - laws.spriggs_stiffness(1.0, few, exponent=3.0) / 1.0
    phani = 1.0 - laws.phani_niyogi_stiffness(1.0, few, packing=1.5, exponent=2.0)
    assert spriggs == pytest.approx(phani, rel=1e-3)
    assert laws.phani_niyogi_stiffness(400.0, np.array([0.5, 0.7]), packing=2.0).tolist() == [0.0, 0.0]


def test_cracks_soften_as_the_self_consistent_theory_says() -> None:
    bulk, shear = laws.bulk_and_shear(400.0, 0.25)
    density = np.array([0.0, 1e-4, 0.1, 0.3, 0.56])
    k, g = laws.cracked_moduli(bulk, shear, density)
    young, poisson = laws.youngs_modulus(k, g), laws.poisson_ratio(k, g)
    np.testing.assert_allclose((k[0], g[0]), (bulk, shear))
    # Few cracks: E / E0 = 1 - (16/45) (1 - v^2)(10 - 3v) / (2 - v) e, the paper's E at v' = v.
    lost = 16.0 / 45.0 * (1.0 - 0.25**2) * (10.0 - 0.75) / 1.75 * 1e-4
    assert 1.0 - young[1] / 400.0 == pytest.approx(lost, rel=1e-2)
    # Both ratios run nearly straight to nothing at 9/16: the paper's figure, and v' / v = 1 - 16 e / 9.
    np.testing.assert_allclose(young / 400.0, 1.0 - 16.0 / 9.0 * density, atol=0.03)
    np.testing.assert_allclose(poisson / 0.25, 1.0 - 16.0 / 9.0 * density, atol=0.05)
    assert laws.cracked_moduli(bulk, shear, 0.9)[1] == pytest.approx(0.0, abs=1e-9 * float(shear))
