"""Sintering of powder compacts over real furnace schedules: densification and grain growth, integrated together.

Read in this order: ``schedule`` (what the furnace does), ``kinetics`` (how a powder answers), ``rates`` (the laws, with
their sources), ``solver`` (their integration), ``outcome`` (what is lost, cracked or left open), ``loss`` (when),
``firing``.
"""

from simulators.sintering.firing import densification, sinter
from simulators.sintering.kinetics import Kinetics
from simulators.sintering.loss import Loss, loss_of
from simulators.sintering.outcome import REASONS, Outcome, SinterResult
from simulators.sintering.schedule import COOLING_RATE, ROOM_TEMPERATURE, Schedule, furnace_hours, ramp_hold_cool
from simulators.sintering.solver import Trajectory, follow, integrate

__all__ = [
    "COOLING_RATE", "REASONS", "ROOM_TEMPERATURE", "Kinetics", "Loss", "Outcome", "Schedule", "SinterResult",
    "Trajectory", "densification", "follow", "furnace_hours", "integrate", "loss_of", "ramp_hold_cool", "sinter",
]  # fmt: skip
