"""Looking into a folder that others write to: cheap, following no link, trusting no name and no clock."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from envs.errors import InstrumentError
from instruments.adapters.tiff_tags import IncompleteImageError

SIDECAR = ".txt"
_DEPTH = 16
_MOST = 200_000


@dataclass(frozen=True)
class Signature:
    """By what a change of a file is noticed without reading it."""

    size: int
    mtime_ns: int


@dataclass
class Listing:
    """What a folder holds.

    Attributes:
        files: images and sidecars by their path below the folder, with forward slashes.
        others: what is passed over, with the reason.
    """

    files: dict[str, Signature] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scan:
    """How a folder is looked into; calling it may block as long as the share that it is on.

    Args:
        directory: the folder.
        patterns: shell patterns of images' names, whatever their case.
        deep: look into sub-directories, too.
        sidecars: list text files, too.
        marker: name of a file without which the folder counts as not mounted; empty for none.
    """

    directory: Path
    patterns: tuple[str, ...]
    deep: bool = False
    sidecars: bool = True
    marker: str = ""

    def __call__(self) -> Listing:
        """List the folder.

        Raises:
            OSError: when it cannot be read or is not mounted.
            InstrumentError: when it holds more than 200,000 files.
        """
        if self.marker and not (self.directory / self.marker).exists():
            raise FileNotFoundError(f"{self.marker} is not in it: it is not mounted")
        listing = Listing()
        for path, entry in self._walk(self.directory, "", 0, listing):
            if not self._wanted(entry.name):
                listing.others[path] = "its name fits no pattern"
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:  # it went away, or its owner holds it: look again next time
                continue
            listing.files[path] = Signature(found.st_size, found.st_mtime_ns)
            if len(listing.files) > _MOST:
                raise InstrumentError(f"{self.directory} holds more than {_MOST} files: move old ones away")
        return listing

    def _wanted(self, name: str) -> bool:
        lower = name.lower()
        if self.sidecars and lower.endswith(SIDECAR):
            return True
        return any(fnmatch.fnmatchcase(lower, pattern.lower()) for pattern in self.patterns)

    def _walk(
        self, directory: Path, below: str, depth: int, listing: Listing
    ) -> Iterator[tuple[str, os.DirEntry[str]]]:
        with os.scandir(directory) as entries:
            for entry in entries:
                path = below + entry.name
                if not path.isprintable():
                    listing.others[ascii(path)] = "its name holds characters that cannot be told"
                elif entry.is_symlink():
                    listing.others[path] = "it is a symbolic link, which is never followed"
                elif entry.is_file(follow_symlinks=False):
                    yield path, entry
                elif self.deep and depth < _DEPTH and entry.is_dir(follow_symlinks=False):
                    try:
                        yield from self._walk(Path(entry.path), f"{path}/", depth + 1, listing)
                    except OSError as error:
                        listing.others[path] = f"it cannot be read: {error.strerror}"


def read_stable(directory: Path, path: str, signature: Signature) -> bytes:
    """Read a file that has not changed since it was listed and does not change while it is read.

    Raises:
        IncompleteImageError: when it changes, is locked, is gone, or lies outside of the folder.
    """
    full = directory / path
    try:
        if not full.parent.resolve().is_relative_to(directory.resolve()):
            raise IncompleteImageError("it lies outside of the folder")
        with open(full, "rb", opener=_open_no_link) as file:
            if _signature(os.fstat(file.fileno())) != signature:
                raise IncompleteImageError("it has just changed")
            data = file.read(signature.size + 1)
            if len(data) != signature.size or _signature(os.fstat(file.fileno())) != signature:
                raise IncompleteImageError("it changes while it is read")
    except OSError as error:
        raise IncompleteImageError(f"it cannot be opened: {error.strerror or error}") from error
    return data


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_size, status.st_mtime_ns)
