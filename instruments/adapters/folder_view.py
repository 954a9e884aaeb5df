"""Which files of a folder are finished: those that have not changed for a while, as seen from here.

An SEM PC writes an image over seconds, its clock may be wrong by hours, and a share may show sizes before contents. So
no time stamp is ever compared with a clock: what counts is for how long *we* have seen size and time stamp unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from instruments.adapters.folder_scan import SIDECAR, Listing, Signature


@dataclass(frozen=True)
class Sighting:
    """One image as it is known.

    Attributes:
        path: below the folder, with forward slashes.
        signature: when it was last listed.
        since: when that signature was first seen, on the device's monotonic clock.
        labels: the named groups of the sample pattern; None when the name does not fit it.
    """

    path: str
    signature: Signature
    since: float
    labels: Mapping[str, str] | None

    @property
    def sample(self) -> str:
        """The sample's name, empty where the file's name does not tell."""
        return "" if self.labels is None else self.labels["sample"]


class FolderView:
    """What has been seen in a folder; fed with listings and the time.

    Args:
        sample: pattern of a file's path without its ending, with a group ``sample``.
        stable_s: a file is finished when it has not changed for so long.
        max_bytes: larger files are never taken.
    """

    def __init__(self, sample: re.Pattern[str], *, stable_s: float, max_bytes: int) -> None:
        self._sample = sample
        self._stable_s = stable_s
        self._max_bytes = max_bytes
        self.images: dict[str, Sighting] = {}
        self._sidecars: dict[str, Sighting] = {}
        self.others: Mapping[str, str] = {}

    def update(self, listing: Listing, now: float) -> None:
        """Take in what is there at a moment; what is not listed any more is forgotten."""
        images: dict[str, Sighting] = {}
        sidecars: dict[str, Sighting] = {}
        for path, signature in listing.files.items():
            aside = path.lower().endswith(SIDECAR)
            known = self._sidecars.get(_stem(path).lower()) if aside else self.images.get(path)
            if known is None or known.signature != signature:
                labels = None if aside else self._labels(path)
                known = Sighting(path, signature, now, labels)
            if aside:
                sidecars[_stem(path).lower()] = known
            else:
                images[path] = known
        self.images, self._sidecars, self.others = images, sidecars, listing.others

    def finished(self, sighting: Sighting, now: float) -> str:
        """Why a file cannot be taken yet, or ever; empty when it can."""
        if sighting.signature.size == 0:
            return "it is empty"
        if sighting.signature.size > self._max_bytes:
            return f"its {sighting.signature.size} bytes are more than the limit of {self._max_bytes}"
        if now - sighting.since < self._stable_s:
            return f"it changed less than {self._stable_s:g} s ago"
        return ""

    def sidecar(self, sighting: Sighting) -> Sighting | None:
        """The text file of an image's name, whatever its case."""
        return self._sidecars.get(_stem(sighting.path).lower())

    def signatures(self) -> dict[str, Signature | None]:
        """All that is there now, to tell what comes later from it; None for what is no image."""
        return dict.fromkeys(self.others) | {path: sighting.signature for path, sighting in self.images.items()}

    def by_age(self) -> list[Sighting]:
        """All images, the one that has been unchanged longest first."""
        return sorted(self.images.values(), key=_age)

    def of_sample(self, sample: str, before: Mapping[str, Signature | None]) -> list[Sighting]:
        """A sample's images that are not as they were before, the one that has been unchanged longest first."""
        new = (s for s in self.images.values() if s.sample == sample and before.get(s.path) != s.signature)
        return sorted(new, key=_age)

    def _labels(self, path: str) -> Mapping[str, str] | None:
        match = self._sample.fullmatch(_stem(path))
        return None if match is None else {k: v for k, v in match.groupdict().items() if v is not None}


def _age(sighting: Sighting) -> tuple[float, int, str]:
    return sighting.since, sighting.signature.mtime_ns, sighting.path


def _stem(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return stem if dot and stem and "/" not in ending and not stem.endswith("/") else path
