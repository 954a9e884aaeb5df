"""The truth about generated crystals: an interatomic potential's, computed when first asked for, and kept.

A library's crystal has an elastic tensor by DFT. A crystal that is generated (``envs.prototypes``) has none, so an
interatomic potential that the learner does not use stands in for nature, and every record says so (``origin``).
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from envs.crystals import Crystal
from envs.errors import ConfigError
from envs.moduli import Moduli
from envs.prototypes import generate, is_generated, parse
from simulators.potential_cache import Record, RecordStore, structure_key
from simulators.potential_chgnet import Chgnet, Potential
from simulators.potential_elasticity import FloatArray, hill, softest, voigt
from simulators.potential_relax import FORCE, STRAIN, NoCrystalError, elastic_tensor, relax

logger = logging.getLogger(__name__)


class PotentialTruth:
    """Generated crystals, at rest and with their moduli, as a potential has them.

    Args:
        directory: one file a crystal is kept here; without one they live in memory alone.
        potential: CHGNet unless another is given; nothing of it is loaded before the first crystal that is not kept.
    """

    def __init__(self, directory: Path | None, potential: Potential | None = None) -> None:
        self._potential = potential or Chgnet()
        self._kept = RecordStore(directory)
        self._computing = threading.Lock()

    @property
    def origin(self) -> str:
        """What the truth is taken from, as the record of a sample names it."""
        return f"interatomic potential {self._potential.name} (simulated)"

    @property
    def _method(self) -> str:
        p = self._potential
        return f"{p.name}; {p.softening}; {FORCE} eV/A; strain {STRAIN}"

    def crystal(self, crystal_id: str) -> Crystal:
        """A generated crystal at rest; as it was generated where it never comes to rest.

        Args:
            crystal_id: such as ``gen:rocksalt:Ti-N``.

        Raises:
            KeyError: it is no generated crystal's; the message says what is wrong with it.
            JournalError: what was computed cannot be kept.
        """
        return self._generated(crystal_id).crystal

    def moduli(self, crystal: Crystal) -> Moduli | None:
        """Moduli of a crystal's polycrystal; None where the potential has no stable crystal (``reason`` says why).

        Raises:
            KeyError: its id has the form of a generated crystal's and is wrong.
            JournalError: what was computed cannot be kept.
        """
        return self._of(crystal).moduli

    def reason(self, crystal: Crystal) -> str:
        """Why a crystal has no moduli, ``""`` where it has.

        Raises:
            KeyError: its id has the form of a generated crystal's and is wrong.
            JournalError: what was computed cannot be kept.
        """
        return self._of(crystal).reason

    def record(self, crystal: Crystal) -> Record:
        """All that the potential says about a structure, whatever its id: kept, or computed now.

        Kept is what the potential says: also that it knows an element not, or has no stable crystal. An accident of the
        computation is raised as what it is, and leaves nothing.

        Raises:
            JournalError: what was computed cannot be kept.
        """
        key = structure_key(crystal)
        if (found := self._kept.get(key, self._method)) is not None:
            return found
        with self._computing:
            # Whoever waited for the same crystal finds it here.
            if (found := self._kept.get(key, self._method)) is None:
                found = self._compute(crystal)
                self._kept.put(key, found)
        return found

    def _of(self, crystal: Crystal) -> Record:
        # A generated crystal at rest is another structure than the one that it was generated as: its id leads back.
        return self._generated(crystal.id) if is_generated(crystal.id) else self.record(crystal)

    def _generated(self, crystal_id: str) -> Record:
        try:
            start = generate(*parse(crystal_id))
        except ConfigError as error:
            raise KeyError(str(error)) from error
        return self.record(start)

    def _compute(self, crystal: Crystal) -> Record:
        name = self._potential.name
        logger.info("%s by %s: relaxation and elastic tensor", crystal.id, name)
        at_rest = crystal
        try:
            with self._potential.calculator() as calculator:
                at_rest = relax(crystal, calculator)
                tensor = _stable(elastic_tensor(at_rest, calculator))
        # Nothing else is a word on the crystal: an accident fails the order, and the next one tries again.
        except NoCrystalError as error:
            logger.info("%s: no stable crystal: %s", crystal.id, error)
            return Record(self._method, at_rest, None, reason=f"{name}: {error}")
        bulk, shear = hill(tensor)
        moduli = Moduli(bulk=bulk, shear=shear)
        if self._potential.softening is not None:
            moduli = self._potential.softening.corrected(moduli)
        logger.info("%s: K = %.0f GPa, G = %.0f GPa (%.0f by itself)", crystal.id, bulk, moduli.shear, shear)
        rows = tuple(tuple(row) for row in voigt(tensor).tolist())
        return Record(self._method, at_rest, moduli, rows)


def _stable(tensor: FloatArray) -> FloatArray:
    if (least := softest(tensor)) <= 0.0:
        raise NoCrystalError(f"elastically unstable, its softest strain has {least:.1f} GPa")
    return tensor
