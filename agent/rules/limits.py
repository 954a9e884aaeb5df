"""What may be ordered at all: an allow-list of instruments and their actions, with bounds on every parameter."""

from __future__ import annotations

from dataclasses import dataclass

from agent.rules.recipe import Order


@dataclass(frozen=True)
class Limits:
    """Deny by default; the optimiser cannot edit them."""

    version: str = "none"

    def refusals(self, order: Order, instrument: str = "") -> tuple[str, ...]:
        """Why an order is not allowed; empty when it is.

        Args:
            order: to a kind of instrument.
            instrument: the one that it goes to; empty while that is not known.
        """
        del order, instrument
        return ()
