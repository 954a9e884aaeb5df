"""The reference body: what a laboratory keeps to check its instruments, as a hardness block or an SEM standard.

It lies on every virtual laboratory's shelf without being one of its samples: nothing is drawn for it, so no campaign's
data depend on it. The furnace that is ordered to make it finds it made.
"""

from __future__ import annotations

from collections.abc import Mapping

from envs.design import Design
from instruments.messages import Quantity, Value
from simulators.body import Body
from simulators.samples import Sample
from simulators.sintering import Outcome

REFERENCE = "reference"
"""Its label."""
REFERENCE_DESIGN = Design(
    "mp-1143",  # corundum, of which hardness blocks for ceramics are made
    {
        "powder_size": 0.4,
        "additive": "MgO",
        "temperature": 1500.0,
        "hold": 2.0,
        "heating_rate": 10.0,
        "pressure": 40.0,
    },
)
_UNITS = {"powder_size": "um", "temperature": "Cel", "hold": "h", "heating_rate": "K/min", "pressure": "MPa"}


def reference_body() -> Sample:
    """A dense, fine-grained alumina body: relative density 0.99, grains of 2 um."""
    return Sample(REFERENCE, REFERENCE_DESIGN, Body(density=0.99, grain_size=2.0), Outcome.SINTERED)


def reference_order() -> Mapping[str, Value]:
    """The furnace's order of the reference body."""
    process: dict[str, Value] = {
        name: value if isinstance(value, str) else Quantity(value=value, unit=_UNITS[name])
        for name, value in REFERENCE_DESIGN.process.items()
    }
    return {"sample": REFERENCE, "crystal": REFERENCE_DESIGN.crystal, **process}
