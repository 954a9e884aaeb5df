"""How a network behaves: reliable, or with everything that MQTT does not forbid."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Weather:
    """How the network behaves at present; calm by default.

    Args:
        lose: share of QoS 1 messages that the broker forgets, as a weak one does.
        double: share that comes twice.
        late: share that is late by up to ``late_s``.
        reorder: whether messages of different topics pass each other.
    """

    lose: float = 0.0
    double: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    reorder: bool = False

    def calm(self) -> None:
        """Be reliable again."""
        self.lose = self.double = self.late = self.late_s = 0.0
        self.reorder = False
