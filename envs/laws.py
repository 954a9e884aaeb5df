"""Structure-property laws, each with its source and range. All functions take scalars or arrays and broadcast.

The learner knows these forms. A laboratory's own constants, and the effects that the forms leave out, are its truth.
This is the one door; behind it are rooms: elastic, hardness, sintering, thermal, density and broadening.
"""

from __future__ import annotations

from envs.broadening_laws import scherrer_size, scherrer_width, williamson_hall_width
from envs.density_laws import (
    archimedes_density,
    archimedes_open_porosity,
    water_absorption,
    water_density,
    x_ray_density,
)
from envs.elastic_laws import (
    bulk_and_shear,
    cracked_moduli,
    debye_temperature,
    longitudinal_velocity,
    mackenzie_moduli,
    mean_velocity,
    moduli_from_velocities,
    phani_niyogi_stiffness,
    poisson_ratio,
    pugh_ratio,
    shear_velocity,
    spriggs_stiffness,
    youngs_modulus,
)
from envs.hardness_laws import (
    HALL_PETCH,
    MIN_HARDNESS,
    POROSITY_EXPONENT,
    VICKERS,
    anstis_toughness,
    chen_hardness,
    crack_threshold,
    griffith_strength,
    meyer_hardness,
    niihara_toughness,
    niu_toughness,
    nix_gao_hardness,
    polycrystal_hardness,
    resisted_diagonal,
    resisted_hardness,
    tian_hardness,
    vickers_diagonal,
    vickers_hardness,
)
from envs.law_arrays import Array, ArrayLike
from envs.sintering_laws import (
    ACTIVATION_PER_RTM,
    CAPILLARY_STRESS,
    CERAMIC_FORMERS,
    GAS_CONSTANT,
    IONIC_BINDING,
    KELVIN,
    astm_grain_size_number,
    grain_growth,
    master_sintering_curve,
    melting_estimate,
    sintering_index,
    thermal_work,
)
from envs.thermal_laws import (
    archie_conductivity,
    cahill_conductivity,
    electronic_conductivity,
    gruneisen_parameter,
    loeb_conductivity,
    maxwell_eucken_conductivity,
    slack_conductivity,
)

__all__ = [
    "ACTIVATION_PER_RTM", "CAPILLARY_STRESS", "CERAMIC_FORMERS", "GAS_CONSTANT", "HALL_PETCH", "IONIC_BINDING",
    "KELVIN", "MIN_HARDNESS", "POROSITY_EXPONENT", "VICKERS", "Array", "ArrayLike", "anstis_toughness",
    "archie_conductivity", "archimedes_density", "archimedes_open_porosity", "astm_grain_size_number",
    "bulk_and_shear", "cahill_conductivity", "chen_hardness", "crack_threshold", "cracked_moduli",
    "debye_temperature", "electronic_conductivity", "grain_growth", "griffith_strength",
    "gruneisen_parameter", "loeb_conductivity", "longitudinal_velocity", "mackenzie_moduli",
    "master_sintering_curve", "maxwell_eucken_conductivity", "mean_velocity", "melting_estimate", "meyer_hardness",
    "moduli_from_velocities", "niihara_toughness", "niu_toughness", "nix_gao_hardness", "phani_niyogi_stiffness",
    "poisson_ratio", "polycrystal_hardness", "pugh_ratio", "resisted_diagonal", "resisted_hardness", "scherrer_size",
    "scherrer_width", "shear_velocity", "sintering_index", "slack_conductivity", "spriggs_stiffness",
    "thermal_work", "tian_hardness", "vickers_diagonal", "vickers_hardness", "water_absorption", "water_density",
    "williamson_hall_width", "x_ray_density", "youngs_modulus",
]  # fmt: skip
