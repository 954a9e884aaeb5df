"""The segmentation network: grey micrograph in; for every pixel, logits of boundary, pore, second phase and crack."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from typing_extensions import override

from envs.errors import UserError

CHANNELS = ("boundary", "pore", "phase", "crack")
"""What the network of the package tells of a pixel; a network of one's own may tell more, after these."""
MULTIPLE = 8
"""Heights and widths are padded to this multiple: one space-to-depth and two further halvings."""
TILE, OVERLAP = 1536, 96
"""Pixels: larger images are looked at in tiles of this edge; farther than the overlap, a pixel has no say."""


@dataclass(frozen=True)
class NetworkShape:
    """Widths of the three resolutions (1/2, 1/4, 1/8 of the image), what is told of a pixel, and of a whole picture.

    ``kinds`` is the number of classes of pictures; 0 is a network without the branch that tells them.
    """

    fine: int = 24
    middle: int = 48
    coarse: int = 96
    channels: tuple[str, ...] = CHANNELS
    kinds: int = 0


class _Block(nn.Sequential):
    """3x3 convolution, batch normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class KindBranch(nn.Module):
    """Logits of a picture's class from the encoder's features: what is there on average, and what somewhere."""

    def __init__(self, inputs: int, kinds: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(inputs, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
            nn.Conv2d(64, 128, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.tell = nn.Sequential(nn.Dropout(0.2), nn.Linear(3 * 128, kinds))

    @override
    def forward(self, coarse: Tensor) -> Tensor:
        """Logits (N, kinds) of features (N, inputs, H/8, W/8)."""
        found = self.look(coarse)
        places = functional.adaptive_avg_pool2d(found, 4).flatten(2)
        mean = found.flatten(2).mean(dim=2)
        return self.tell(torch.cat((mean, places.amax(dim=2), places.amin(dim=2)), dim=1))


class MicrographNet(nn.Module):
    """Encoder-decoder with skip connections (after Ronneberger et al., MICCAI 2015), fully convolutional.

    It works at half resolution and below, where a CPU core is fast enough; rearranging 2x2 pixels into channels
    before, and back after, keeps boundaries one pixel sharp (Shi et al., CVPR 2016).
    """

    def __init__(self, shape: NetworkShape = NetworkShape()) -> None:
        super().__init__()
        self.shape = shape
        a, b, c = shape.fine, shape.middle, shape.coarse
        self.enter = nn.Sequential(_Block(4, a), _Block(a, a))
        self.down = nn.Sequential(_Block(a, b), _Block(b, b))
        self.bottom = nn.Sequential(_Block(b, c), _Block(c, c, 2), _Block(c, c, 4), _Block(c, c))
        self.up = nn.Sequential(_Block(b + c, b), _Block(b, b))
        self.leave = nn.Sequential(_Block(a + b, a), _Block(a, a), nn.Conv2d(a, 4 * len(shape.channels), 1))
        self.kinds = KindBranch(c, shape.kinds) if shape.kinds else None

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, C, H, W) of standardised images (N, 1, H, W); H and W are multiples of ``MULTIPLE``."""
        return self.features(image)[0]

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits as ``forward``, and what they came from.

        Returns:
            Logits (N, C, H, W); the decoder's features (N, fine, H/2, W/2); the encoder's (N, coarse, H/8, W/8).
        """
        fine = self.enter(functional.pixel_unshuffle(image, 2))
        middle = self.down(functional.max_pool2d(fine, 2))
        coarse = self.bottom(functional.max_pool2d(middle, 2))
        middle = self.up(torch.cat((functional.interpolate(coarse, scale_factor=2.0), middle), dim=1))
        fine = self.leave[:2](torch.cat((functional.interpolate(middle, scale_factor=2.0), fine), dim=1))
        return functional.pixel_shuffle(self.leave[2](fine), 2), fine, coarse


def channels_last(net: MicrographNet) -> MicrographNet:
    """The same network in the memory layout that convolutions on a CPU are fastest with."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def folded(net: MicrographNet) -> MicrographNet:
    """A copy for looking alone, in which each normalisation is part of the convolution before it: same, and faster."""
    quick = copy.deepcopy(net).eval()
    for block in [part for part in quick.modules() if isinstance(part, _Block)]:
        block[0] = fuse_conv_bn_eval(cast("nn.Conv2d", block[0]), cast("nn.BatchNorm2d", block[1]))
        block[1] = nn.Identity()
    return channels_last(quick)


def standardised(images: Tensor) -> Tensor:
    """Each image (N, 1, H, W) with mean 0 and standard deviation 1; a flat one becomes 0."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    apart = images - mean
    return apart / _spread(apart, (2, 3), keepdim=True).clamp_min(1e-3)


def _spread(apart: Tensor, dim: tuple[int, ...], *, keepdim: bool = False) -> Tensor:
    """Standard deviation of what is ``apart`` from its mean; a fifth of the time of ``Tensor.std``."""
    n = int(np.prod([apart.shape[each] for each in dim]))
    return torch.sqrt((apart * apart).sum(dim=dim, keepdim=keepdim) / max(n - 1, 1))


@dataclass(frozen=True)
class Seen:
    """What the network makes of one image.

    Args:
        maps: probability of each channel for each pixel, float32 (C, H, W).
        coarse: mean and standard deviation over the field of the encoder's features, float32 (2 * coarse,).
        fine: the same of the decoder's, float32 (2 * fine,).
        kinds: logits of the picture's classes, float32 (kinds,); empty where the network has no branch for them.
    """

    maps: npt.NDArray[np.float32]
    coarse: npt.NDArray[np.float32]
    fine: npt.NDArray[np.float32]
    kinds: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))


def see(net: MicrographNet, image: npt.NDArray[np.float32]) -> Seen:
    """Probabilities and features of one image (H, W) of any size, 0 to 1; large ones are looked at in tiles.

    Tiles overlap by ``OVERLAP`` pixels on each side, which are not used: no seam shows. All are standardised alike.
    """
    height, width = image.shape
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()):
        whole = standardised(torch.from_numpy(np.ascontiguousarray(image))[None, None])
        maps = np.empty((len(net.shape.channels), height, width), dtype=np.float32)
        sums: list[list[Tensor]] = []
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                above, before = min(top, OVERLAP), min(left, OVERLAP)
                bottom, right = min(top + TILE, height), min(left + TILE, width)
                piece = whole[:, :, top - above : bottom + OVERLAP, left - before : right + OVERLAP]
                padding = (0, -piece.shape[3] % MULTIPLE, 0, -piece.shape[2] % MULTIPLE)
                piece = functional.pad(piece, padding, mode="reflect")
                logits, fine, coarse = net.features(piece.contiguous(memory_format=torch.channels_last))
                part = torch.sigmoid(logits[0, :, above : above + bottom - top, before : before + right - left].float())
                maps[:, top:bottom, left:right] = part.numpy()
                kinds = torch.empty(0) if net.kinds is None else net.kinds(coarse.float())[0].float()
                sums.append([_moments(coarse), _moments(fine), kinds])
        found = (torch.stack(list(each)).mean(dim=0).numpy() for each in zip(*sums, strict=True))
    return Seen(maps, *found)


def segment(net: MicrographNet, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of the channels, shape (C, H, W), for one image (H, W) of any size."""
    return see(net, image).maps


@cache
def fast_bfloat16() -> bool:
    """Whether this processor computes faster in bfloat16; elsewhere all is computed in float32."""
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch tells it nowhere else


def _moments(features: Tensor) -> Tensor:
    values = features[0].float()
    mean = values.mean(dim=(1, 2))
    return torch.cat((mean, _spread(values - mean[:, None, None], (1, 2))))


def shape_from(data: Mapping[str, object]) -> NetworkShape:
    """A shape from its JSON form.

    Raises:
        TypeError: when a width is missing or unknown.
    """
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return NetworkShape(**{"channels": ("boundary", "pore"), **values})  # type: ignore[arg-type]


HEAD = "head."
"""Prefix of the tensors beside the network's own: what was fitted afterwards on its features."""


def save_network(
    net: MicrographNet, path: Path, metadata: Mapping[str, object], heads: Mapping[str, Tensor] | None = None
) -> None:
    """Write weights as safetensors; ``metadata`` (training, calibration) travels in the header as JSON.

    Args:
        net: the network.
        path: the file; a kill leaves the one that was there.
        metadata: JSON-ready.
        heads: tensors of what was fitted on the network's features, by name.
    """
    header = {"shape": json.dumps(asdict(net.shape)), "metadata": json.dumps(metadata, sort_keys=True)}
    tensors = {key: value.contiguous() for key, value in net.state_dict().items()}
    tensors |= {HEAD + key: value.contiguous() for key, value in (heads or {}).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata=header)
    part.replace(path)


def load_network(path: Path) -> tuple[MicrographNet, dict[str, object]]:
    """Network in evaluation mode, and the metadata written with it.

    Raises:
        UserError: when the file is missing or is not such a network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            names = [key for key in file.keys() if not key.startswith(HEAD)]  # noqa: SIM118 - not a mapping
            tensors = {key: file.get_tensor(key) for key in names}
        net = MicrographNet(shape_from(json.loads(header["shape"])))
        net.load_state_dict(tensors)
        metadata = dict(json.loads(header["metadata"]))
    except Exception as error:
        raise UserError(f"{path}: not a micrograph network ({error}); train one with 'labwright train sem'") from error
    return channels_last(net.eval()), metadata


def load_heads(path: Path) -> dict[str, Tensor]:
    """What ``save_network`` was given as heads; empty where there are none.

    Raises:
        UserError: when the file cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = [key for key in file.keys() if key.startswith(HEAD)]  # noqa: SIM118 - not a mapping
            return {key.removeprefix(HEAD): file.get_tensor(key) for key in names}
    except Exception as error:
        raise UserError(f"{path}: not a micrograph network ({error}); train one with 'labwright train sem'") from error
