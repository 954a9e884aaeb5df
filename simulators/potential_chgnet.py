"""CHGNet, the interatomic potential behind the generated crystals: a pretrained graph network, never the learner's.

Source: Deng et al., Nat. Mach. Intell. 5, 1031 (2023); fitted to energies, forces, stresses and magnetic moments of the
Materials Project's relaxations. Its weights come with the ``chgnet`` distribution, so nothing is fetched at run time.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from simulators.potential_relax import NoCrystalError
from simulators.potential_softening import Softening

MODEL = "0.3.0"
HEAVIEST = 94
"""Plutonium: of heavier elements the potential knows nothing."""
REACH = 6.0
"""Angstrom over which its atoms feel each other."""
SOFTENING = Softening(stiffening=0.0732, offset=-0.1084, exponent=0.2333)
"""Fitted to 86 ceramics of the library (``docs/results/potential.json``). By itself CHGNet has 5/6 of their bulk and
a third of their shear moduli, and the small exponent says that little of its word on shear is to be kept."""
_NOISE = ("Converting a tensor with requires_grad=True", "Set OLD_ERROR_HANDLING to false")
"""Beginnings of warnings about its own inside and its libraries', which tell a user nothing."""
_LOCK = threading.Lock()


class Potential(Protocol):
    """An interatomic potential that ASE can drive."""

    @property
    def name(self) -> str:
        """What it is called and which version it is, as records have it."""
        ...

    @property
    def softening(self) -> Softening | None:
        """How its moduli are corrected; None where they are taken as they are."""
        ...

    def calculator(self) -> contextlib.AbstractContextManager[Any]:
        """Lends an ASE calculator of energy, forces and stress; repeatable to the last digit on one machine.

        The calculator raises NoCrystalError where it knows an element not, or an atom has no neighbour.
        """
        ...


class Chgnet:
    """CHGNet on one processor core; loaded when first lent, once.

    Args:
        softening: how its moduli are corrected; None takes them as they are.
    """

    def __init__(self, softening: Softening | None = SOFTENING) -> None:
        self._softening = softening
        self._calculator: Any = None

    @property
    def name(self) -> str:
        """Name and version of the weights."""
        return f"CHGNet {MODEL}" + (", moduli corrected" if self._softening else "")

    @property
    def softening(self) -> Softening | None:
        """How its moduli are corrected."""
        return self._softening

    @contextmanager
    def calculator(self) -> Iterator[Any]:
        """Lends the calculator, alone and with one thread: sums in another order would change last digits.

        Only the thread that asks is held to one, and others that begin meanwhile. Filters of warnings are added for a
        few known ones and never taken back: to swap the list, as ``catch_warnings`` does, loses those of other threads.

        Raises:
            MissingExtraError: chgnet is not installed.
        """
        with _LOCK:
            for message in _NOISE:
                warnings.filterwarnings("ignore", message)
            if self._calculator is None:
                self._calculator = _load()
            import torch

            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                with torch.enable_grad():
                    yield self._calculator
            finally:
                torch.set_num_threads(threads)


def _load() -> Any:
    from envs.errors import MissingExtraError

    try:
        from chgnet.model.dynamics import CHGNetCalculator
        from chgnet.model.model import CHGNet
    except ModuleNotFoundError as error:
        raise MissingExtraError("a generated crystal", "lab", str(error.name)) from error

    class Calculator(CHGNetCalculator):  # type: ignore[misc]  # chgnet is not typed
        """CHGNet's, which tells what it knows not from what goes wrong."""

        def calculate(self, atoms: Any = None, *args: Any, **kwargs: Any) -> None:
            bare = atoms.copy()
            bare.set_constraint()
            _check(bare)
            super().calculate(bare, *args, **kwargs)

    # It prints where it runs; a command's output is for its answer.
    with contextlib.redirect_stdout(io.StringIO()):
        model = CHGNet.load(model_name=MODEL, use_device="cpu", verbose=False)
        return Calculator(model, use_device="cpu", on_isolated_atoms="error")


def _check(atoms: Any) -> None:
    """Refuse what the potential knows nothing of.

    Raises:
        NoCrystalError: an element is beyond its table, or an atom has no neighbour within its reach.
    """
    from ase.neighborlist import neighbor_list

    unknown = sorted({atom.symbol for atom in atoms if atom.number > HEAVIEST})
    if unknown:
        raise NoCrystalError(f"it does not know {', '.join(unknown)}")
    near = neighbor_list("i", atoms, REACH)
    if alone := len(atoms) - len(set(near.tolist())):
        raise NoCrystalError(f"{alone} of {len(atoms)} atoms have no neighbour within {REACH:g} angstrom")
