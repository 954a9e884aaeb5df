"""The virtual ultrasonic and density benches against the truth of a body and against published behaviour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_virtual_testers import ALUMINA, DENSE, N_LABELS, Drifting, Stand, truth

from envs import laws
from instruments.device import DeviceFault
from simulators.body import Body
from simulators.devices.balance import Balance, unfilled
from simulators.devices.residue_solids import SOLIDS
from simulators.devices.ultrasonic import Ultrasonic
from simulators.second_phases import residue
from simulators.truth import ADDITIVES

FULL = Body(density=1.0, grain_size=2.0)
MODULI = ("youngs_modulus", "shear_modulus", "bulk_modulus", "poisson_ratio")


def bench(**more: Any) -> Stand:
    return Stand(Ultrasonic, "measure", **more)


def balance(**more: Any) -> Stand:
    return Stand(Balance, "weigh", **more)


def dense_moduli() -> dict[str, float]:
    found = truth().moduli(ALUMINA)
    assert found is not None
    return {
        "youngs_modulus": float(laws.youngs_modulus(found.bulk, found.shear)),
        "shear_modulus": found.shear,
        "bulk_modulus": found.bulk,
        "poisson_ratio": float(laws.poisson_ratio(found.bulk, found.shear)),
    }


def test_all_that_an_additive_may_leave_has_a_density_and_a_stiffness() -> None:
    left = {residue(crystal, additive).compound for crystal in truth().library for additive in ADDITIVES} - {""}
    assert left <= SOLIDS.keys()
    assert len(left) > 5
    for solid in SOLIDS.values():
        assert 0.1 < laws.poisson_ratio(solid.moduli.bulk, solid.moduli.shear) < 0.35


# ---- Ultrasound


def test_of_a_body_without_pores_it_finds_the_crystals_moduli_within_its_uncertainty() -> None:
    stand = bench()
    read = [stand.read(FULL, f"s{i}") for i in range(N_LABELS)]
    for name in MODULI:
        off = np.array([(r[name].value - dense_moduli()[name]) / (r[name].std or 1.0) for r in read])
        assert abs(off.mean()) < 4.0 / np.sqrt(N_LABELS), name
        assert 0.7 < off.std() < 1.4, name
    # Pulse and echo are known for E to 1% and better; alumina's longitudinal sound is 10.5 to 11 km/s.
    assert (read[0]["youngs_modulus"].std or 0.0) < 0.01 * read[0]["youngs_modulus"].value
    assert 10_300.0 < read[0]["longitudinal_velocity"].value < 11_100.0


@pytest.mark.parametrize(("porosity", "open_share"), [(0.05, 0.2), (0.1, 0.6), (0.2, 0.95), (0.3, 1.0)])
def test_porous_alumina_is_as_stiff_as_measured(porosity: float, open_share: float) -> None:
    # Knudsen, J. Am. Ceram. Soc. 45, 94 (1962): E / E0 = exp(-3.95 P) over several studies, which scatter by some 15%.
    found = bench().read(Body(1.0 - porosity, 2.0, open_share=open_share))["youngs_modulus"].value
    assert found / dense_moduli()["youngs_modulus"] == pytest.approx(np.exp(-3.95 * porosity), rel=0.17)


def test_open_pores_cracks_and_a_soft_second_phase_cost_stiffness() -> None:
    def young(body: Body, **order: Any) -> float:
        return bench().read(body, **order)["youngs_modulus"].value

    porous = Body(0.85, 2.0)
    assert young(replace(porous, open_share=1.0)) < 0.95 * young(porous)
    cracked = young(replace(FULL, cracks=2.0), frequency=2.0) / young(FULL, frequency=2.0)
    # Budiansky and O'Connell: 1 - 16/9 of the crack density, here 0.08.
    assert cracked == pytest.approx(1.0 - 16.0 / 9.0 * 0.081, abs=0.02)
    assert young(replace(FULL, second_phase=0.1), additive="Y2O3") < 0.98 * young(FULL)


def test_poissons_ratio_goes_to_a_fifth_with_the_pores() -> None:
    ratios = [bench().read(Body(1.0 - p, 2.0, open_share=1.0))["poisson_ratio"].value for p in (0.01, 0.2, 0.4)]
    assert ratios[0] > ratios[1] > ratios[2] > 0.19


@pytest.mark.parametrize("body", [Body(0.45, 2.0, open_share=1.0), replace(DENSE, cracks=4.0)])
def test_no_echo_comes_through_a_porous_or_cracked_body_at_a_high_frequency(body: Body) -> None:
    stand = bench()
    with pytest.raises(DeviceFault, match="try a lower frequency") as fault:
        stand.read(body, frequency=20.0)
    assert fault.value.code == "no_echo"
    assert stand.job.seconds > 600.0
    assert stand.read(body, frequency=2.0)["echo_loss"].value < 60.0


def test_a_body_without_connected_solid_gives_no_echo_at_all() -> None:
    with pytest.raises(DeviceFault) as fault:
        bench().read(Body(0.3, 2.0, open_share=1.0), frequency=1.0)
    assert fault.value.code == "no_echo"


def test_long_waves_time_worse_than_short_ones() -> None:
    short, long = (bench().read(frequency=f)["youngs_modulus"].std or 0.0 for f in (20.0, 1.0))
    assert long > 1.5 * short


def test_a_drifting_bench_reads_off() -> None:
    right, wrong = bench().read(), bench(mishaps=Drifting()).read()
    assert wrong["longitudinal_velocity"].value / right["longitudinal_velocity"].value == pytest.approx(1.02)
    assert wrong["youngs_modulus"].value / right["youngs_modulus"].value == pytest.approx(1.02**2)
    assert bench().read() == right


# ---- Weighing


def test_bulk_density_is_right_within_its_uncertainty_however_the_pores_are_soaked() -> None:
    body = Body(0.85, 1.0, open_share=0.9)
    true = 0.85 * truth().theoretical_density(ALUMINA)
    for soaking in ("vacuum", "boiling"):
        values, errors = balance().many("bulk_density", body, soaking=soaking)
        off = (values - true) / errors
        assert abs(off.mean()) < 0.8, soaking  # bubbles lift always, and the uncertainty knows of them
        assert 0.4 < off.std() < 1.3, soaking
        assert np.median(errors / values) < 0.004, soaking


def test_fine_open_pores_stay_partly_empty_and_no_uncertainty_says_so() -> None:
    body = Body(0.8, 1.0, open_share=0.9)
    vacuum, boiled = balance().read(body), balance().read(body, soaking="boiling")
    true = 0.9 * 0.2
    assert boiled["apparent_porosity"].value < vacuum["apparent_porosity"].value < true
    assert true - boiled["apparent_porosity"].value > 5.0 * (boiled["apparent_porosity"].std or 1.0)
    # What is missing from the open pores is told to be closed ones.
    assert boiled["closed_porosity"].value > vacuum["closed_porosity"].value > 0.02
    assert boiled["total_porosity"].value == pytest.approx(0.2, abs=0.006)
    assert unfilled(replace(body, grain_size=20.0), "vacuum") < 0.25 * unfilled(body, "vacuum")


def test_a_dense_body_takes_no_water() -> None:
    stand = balance()
    found = stand.read(DENSE)
    assert found["apparent_porosity"].value == pytest.approx(0.0, abs=3.0 * (found["apparent_porosity"].std or 0.0))
    assert found["relative_density"].value == pytest.approx(0.995, abs=3.0 * (found["relative_density"].std or 0.0))
    assert 2.0 < found["dry_mass"].value < 3.5
    assert stand.job.seconds > 4 * 3600.0


def test_its_sums_are_the_standards() -> None:
    found = balance().read(Body(0.85, 1.0, open_share=0.9))
    dry, under, wet = (found[f"{which}_mass"].value for which in ("dry", "immersed", "soaked"))
    water = float(laws.water_density(found["water_temperature"].value))
    assert found["bulk_density"].value == pytest.approx(dry / (wet - under) * water, rel=2e-3)
    assert found["apparent_porosity"].value == pytest.approx((wet - dry) / (wet - under))
    assert found["water_absorption"].value == pytest.approx((wet - dry) / dry)
    parts = found["apparent_porosity"].value + found["closed_porosity"].value + found["relative_density"].value
    assert parts == pytest.approx(1.0)


def test_a_heavy_second_phase_makes_a_body_look_denser_than_it_is() -> None:
    found = balance().read(replace(DENSE, second_phase=0.1), additive="Y2O3")["relative_density"].value
    assert found > 1.01


def test_more_weighings_are_surer_and_drift_shows() -> None:
    one, ten = (balance().read(count=n)["bulk_density"].std or 0.0 for n in (1, 10))
    assert ten < one
    wrong = balance(mishaps=Drifting()).read()["bulk_density"].value / balance().read()["bulk_density"].value
    assert wrong == pytest.approx(1.02, rel=1e-3)
