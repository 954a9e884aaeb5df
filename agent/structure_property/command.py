"""``labwright show DIR --structure-property``: the relations of a campaign in a terminal, as JSON, and as a picture."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from agent.record import gather, open_journal
from agent.structure_property.finding import Found, find, plain
from envs.errors import UserError


def show_relations(directory: Path, *, as_json: bool) -> None:
    """Print how porosity and grains explain what was measured, and draw it into the campaign's directory.

    Where no law can be fitted, what is missing is said instead.

    Raises:
        UserError: the directory holds no campaign that has begun.
        JournalError: what is there cannot be read as a journal.
    """
    with open_journal(directory) as journal:
        stored = journal.read()
    record = gather(stored)
    if record is None:
        raise UserError(f"{directory}: the campaign there has not begun; start it again with --out")
    relations = find(stored)
    pictures, trouble = _draw(directory, [r for r in relations if isinstance(r, Found)])
    if as_json:
        plainly = [{**plain(r), "picture": pictures.get(r.name)} for r in relations]
        print(json.dumps({"name": record.created.name, "relations": plainly}))  # noqa: T201 - the answer itself
        return
    from agent.structure_property.words import parts

    console = Console(highlight=False)
    for relation in relations:
        for part in parts(relation):
            console.print(part)
    for path in pictures.values():
        console.print(f"Picture: {path}", markup=False, soft_wrap=True)
    if trouble:
        console.print(trouble, markup=False, soft_wrap=True)


def _draw(directory: Path, relations: list[Found]) -> tuple[dict[str, str], str]:
    """Write one picture a property; a directory that cannot be written keeps nobody from reading the numbers."""
    from agent.structure_property.drawing import picture

    written: dict[str, str] = {}
    for number, relation in enumerate(relations):
        path = directory / (f"structure_property_{relation.name}.png" if number else "structure_property.png")
        try:
            path.write_bytes(picture(relation))
        except OSError as error:
            return written, f"No picture: {path} cannot be written: {error.strerror}"
        written[relation.name] = str(path)
    return written, ""
