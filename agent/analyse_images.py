"""Which files are meant by what a person typed: files, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.analyse_overlays import OVERLAY_END
from surrogates.micrograph_labels.vocabulary import SUFFIXES


@dataclass(frozen=True)
class Wanted:
    """One file to read.

    Args:
        name: as it was typed; of a folder's or a pattern's file, with the folder as it was typed.
        path: the file, or None where there is nothing to read.
        trouble: why there is nothing to read.
    """

    name: str
    path: Path | None
    trouble: str = ""


def wanted(typed: Iterable[str]) -> list[Wanted]:
    """Files in the order in which they were typed, those of a folder by name; each once.

    A folder gives the pictures that lie directly in it, without hidden files and earlier overlays. A pattern may
    hold ``*``, ``?``, ``[...]`` and ``**``; a file that is really called so is that file.
    """
    found: list[Wanted] = []
    seen: set[str] = set()
    for text in typed:
        for each in _meant(text):
            key = text if each.path is None else os.path.realpath(each.path)
            if key not in seen:
                seen.add(key)
                found.append(each)
    return found


def _meant(text: str) -> list[Wanted]:
    if os.path.isdir(text):  # noqa: PTH112 - names stay as they were typed
        return _folder(text)
    if os.path.lexists(text) or not glob.has_magic(text):
        return [Wanted(text, Path(text))]
    names = sorted(name for name in glob.glob(text, recursive=True) if not os.path.isdir(name))  # noqa: PTH112, PTH207
    return [Wanted(name, Path(name)) for name in names] or [
        Wanted(text, None, "no file has such a name; check the folder and the pattern")
    ]


def _folder(text: str) -> list[Wanted]:
    try:
        names = sorted(
            name
            for name in os.listdir(text)  # noqa: PTH208 - names stay as they were typed
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".") and not name.endswith(OVERLAY_END)
        )
    except OSError as error:
        return [Wanted(text, None, f"the folder cannot be read ({error.strerror}); check its permissions")]
    paths = [os.path.join(text, name) for name in names]  # noqa: PTH118 - a leading ./ stays
    return [Wanted(path, Path(path)) for path in paths if not os.path.isdir(path)] or [  # noqa: PTH112
        Wanted(text, None, f"the folder holds no image ({', '.join(sorted(SUFFIXES))})")
    ]
