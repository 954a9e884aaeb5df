"""What is drawn once for a laboratory, and what differs from one batch of powder to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Constants:
    """Scalars of one laboratory.

    Args:
        porosity_exponent: b in exp(-bP).
        hall_petch: k, GPa um^0.5.
        discrepancy: size of the hardness law's error, about the root mean square of its logarithm over the library.
        furnace_offset: true minus indicated furnace temperature, K.
        elastic_share: weight of the elastic estimate in the logarithm of the true melting temperature.
        melting_scatter: standard deviation of its logarithm, per compound.
        abnormal_onset: homologous temperature of abnormal grain growth.
        abnormal_factor: how much faster an abnormal grain's boundary moves.
        melting_share: share of the melting temperature above which a sample is lost.
        crack_rate: K/min that a pressureless compact of 1 um powder survives.
        batch_rate: standard deviation of the logarithm of a sample's densification rate.
        batch_green: standard deviation of its green density.
        batch_grain: standard deviation of the logarithm of its particle size.
        shock_rate: K/min of cooling that a body survives.
        critical_grain: grain diameter in um above which bodies of no cubic crystal crack by themselves as they cool.
        decomposition_q: activation energy of decomposition over R Tm.
        skin: by how much the oxide skin of a non-oxide powder of 0.3 um speeds its coarsening.
        crack_hardness: mm of crack per mm2 that cost a share 1/e of the hardness.
    """

    porosity_exponent: float
    hall_petch: float
    discrepancy: float
    furnace_offset: float
    elastic_share: float
    melting_scatter: float
    abnormal_onset: float
    abnormal_factor: float
    melting_share: float
    crack_rate: float
    batch_rate: float
    batch_green: float
    batch_grain: float
    shock_rate: float
    critical_grain: float
    decomposition_q: float
    skin: float
    crack_hardness: float

    @staticmethod
    def draw(rng: np.random.Generator, later: np.random.Generator) -> Constants:
        """One laboratory's constants.

        Args:
            rng: of the hardness law, the melting points and the first laws of sintering.
            later: of what was added to them: so a laboratory keeps its hardness when its furnace learns more.
        """
        return Constants(
            porosity_exponent=rng.uniform(4.2, 6.8),
            hall_petch=rng.uniform(0.6, 2.2),
            discrepancy=rng.uniform(0.15, 0.20),
            furnace_offset=rng.uniform(-25.0, 25.0),
            elastic_share=rng.uniform(0.35, 0.55),
            melting_scatter=rng.uniform(0.03, 0.06),
            abnormal_onset=rng.uniform(0.84, 0.88),
            abnormal_factor=rng.uniform(10.0, 25.0),
            melting_share=rng.uniform(0.91, 0.95),
            crack_rate=rng.uniform(26.0, 36.0),
            batch_rate=rng.uniform(0.10, 0.20),
            batch_green=0.008,
            batch_grain=rng.uniform(0.03, 0.06),
            shock_rate=later.uniform(50.0, 90.0),
            critical_grain=later.uniform(12.0, 30.0),
            decomposition_q=later.uniform(35.0, 45.0),
            skin=later.uniform(0.2, 0.6),
            crack_hardness=later.uniform(14.0, 26.0),
        )


@dataclass(frozen=True)
class Batch:
    """How one batch of powder differs from the mean one.

    Args:
        rate: factor on the densification rates.
        green: added to the green density.
        size: factor on the particle size.
    """

    rate: float = 1.0
    green: float = 0.0
    size: float = 1.0
