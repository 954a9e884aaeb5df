"""Which files are meant by what a person typed: files, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
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
    hold ``*``, ``?``, ``[...]`` and ``**``; a file that is really called so is that file. ``**`` goes into no hidden
    folder and follows no link, which may lead back to where it is.
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
    names = sorted(name for name in set(_matching(text)) if not os.path.isdir(name))  # noqa: PTH112
    return [Wanted(name, Path(name)) for name in names] or [
        Wanted(text, None, "no file has such a name; check the folder and the pattern")
    ]


def _matching(pattern: str) -> Iterator[str]:
    """Names that match, those of ``**`` found one folder at a time: a tree may be deeper than calls may be nested."""
    split = pattern.split(os.sep)  # noqa: PTH206 - a leading ./ stays
    parts = [part for k, part in enumerate(split) if split[k - 1 : k + 1] != ["**", "**"]]
    if "**" not in parts:
        yield from glob.glob(pattern)  # noqa: PTH207 - names stay as they were typed
        return
    first = parts.index("**")
    head = "".join(part + os.sep for part in parts[:first])
    tail = os.sep.join(parts[first + 1 :]) or "*"  # noqa: PTH118
    for root in glob.glob(head) if glob.has_magic(head) else [head]:  # noqa: PTH207
        for folder in _below(root):
            yield from _matching(glob.escape(folder) + tail)


def _below(root: str) -> Iterator[str]:
    """The folder and all in it, each with its separator at the end; an empty one is the current folder."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        yield folder
        with suppress(OSError), os.scandir(folder or os.curdir) as entries:
            waiting += [
                folder + entry.name + os.sep
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
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
