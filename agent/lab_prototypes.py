"""What ``labwright lab prototypes`` prints: the structure types of which crystals can be generated, and how."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from envs.crystals import Crystal
from envs.elements import SYMBOLS
from envs.prototypes import HEAVIEST, PROTOTYPES, Prototype, generate


def print_prototypes(*, as_json: bool) -> None:
    """Print all prototypes, each with an example that can be ordered.

    Args:
        as_json: one line of JSON.
    """
    examples = [(p, generate(p, p.example)) for p in PROTOTYPES.values()]
    if as_json:
        print(json.dumps([_plain(*example) for example in examples]))  # noqa: T201
        return
    table = Table("prototype", "such as", "formula", "type", "space group", "atoms", box=None, pad_edge=False)
    for prototype, crystal in examples:
        symbol = prototype.strukturbericht or "-"
        group = str(prototype.space_group)
        table.add_row(
            Text(prototype.name, style="bold"), Text(crystal.id), crystal.formula, symbol, group, str(prototype.n_atoms)
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"\nOrder one as crystal=gen:PROTOTYPE:ELEMENTS, elements in the order of the example, up to "
        f"{SYMBOLS[HEAVIEST - 1]}, each another one. An interatomic potential stands in for its truth.",
        soft_wrap=True,
    )


def _plain(prototype: Prototype, crystal: Crystal) -> dict[str, object]:
    return {
        "prototype": prototype.name,
        "example": crystal.id,
        "formula": crystal.formula,
        "n_species": prototype.n_species,
        "strukturbericht": prototype.strukturbericht,
        "space_group": prototype.space_group,
        "n_atoms": prototype.n_atoms,
    }
