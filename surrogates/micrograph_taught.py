"""What a user's own training taught the network: which channels, and the shares of those with names of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surrogates.micrograph_calibration import UNFITTED_SHARE
from surrogates.micrograph_cnn import CHANNELS, Seen
from surrogates.micrograph_reading import Estimate

TAUGHT = "taught"
"""Key of the file's metadata: names of the channels that labelled images taught."""


def taught(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """The channels that were learned from images at their own pixels, and are measured there."""
    names = metadata.get(TAUGHT)
    return tuple(map(str, names)) if isinstance(names, list) else ()


def further(seen: Seen, channels: Sequence[str]) -> dict[str, Estimate]:
    """Expected area fraction of each channel that is none of the package's, by name.

    Nothing was calibrated for these: the spread is that of a share that was never fitted.
    """
    return {
        name: Estimate(float(seen.maps[k].mean()), UNFITTED_SHARE, "1", 0.0, 1.0)
        for k, name in enumerate(channels)
        if name not in CHANNELS
    }
