"""The chemical elements' symbols, and a check of what people write for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from envs.errors import ConfigError

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts "
    "Og"
)
SYMBOLS = tuple(_TABLE.split())
"""By atomic number, from 1."""


def check_elements(symbols: Iterable[str], key: str) -> None:
    """Refuse what is no element's symbol.

    Args:
        symbols: as written.
        key: where they stand, for the message.

    Raises:
        ConfigError: names the first symbol that is wrong, and the nearest right one.
    """
    for symbol in symbols:
        if symbol not in SYMBOLS:
            close = difflib.get_close_matches(symbol.capitalize()[:2], SYMBOLS, n=1, cutoff=0.5)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(key, symbol, f"symbols of chemical elements, such as 'Hf'{hint}")
