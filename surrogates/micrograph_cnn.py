"""The segmentation network: grey micrograph in, logits of grain boundary and pore for every pixel out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from envs.errors import UserError

CHANNELS = ("boundary", "pore")
MULTIPLE = 8
"""Heights and widths are padded to this multiple: one space-to-depth and two further halvings."""


@dataclass(frozen=True)
class NetworkShape:
    """Widths of the three resolutions (1/2, 1/4, 1/8 of the image) of the network."""

    fine: int = 24
    middle: int = 48
    coarse: int = 80


class _Block(nn.Sequential):
    """3x3 convolution, batch normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


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
        self.leave = nn.Sequential(_Block(a + b, a), _Block(a, a), nn.Conv2d(a, 4 * len(CHANNELS), 1))

    @override
    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, 2, H, W) of standardised images (N, 1, H, W); H and W are multiples of ``MULTIPLE``."""
        fine = self.enter(functional.pixel_unshuffle(image, 2))
        middle = self.down(functional.max_pool2d(fine, 2))
        coarse = self.bottom(functional.max_pool2d(middle, 2))
        middle = self.up(torch.cat((functional.interpolate(coarse, scale_factor=2.0), middle), dim=1))
        fine = self.leave(torch.cat((functional.interpolate(middle, scale_factor=2.0), fine), dim=1))
        return functional.pixel_shuffle(fine, 2)


def channels_last(net: MicrographNet) -> MicrographNet:
    """The same network in the memory layout that convolutions on a CPU are fastest with."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def standardised(images: Tensor) -> Tensor:
    """Each image (N, 1, H, W) with mean 0 and standard deviation 1; a flat one becomes 0."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    spread = images.std(dim=(2, 3), keepdim=True)
    return (images - mean) / spread.clamp_min(1e-3)


def segment(net: MicrographNet, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of boundary and pore, shape (2, H, W), for one image (H, W) of any size."""
    height, width = image.shape
    with torch.inference_mode():
        batch = standardised(torch.from_numpy(np.ascontiguousarray(image))[None, None])
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        batch = functional.pad(batch, padding, mode="reflect").contiguous(memory_format=torch.channels_last)
        probability = torch.sigmoid(net(batch))[0, :, :height, :width]
    result: npt.NDArray[np.float32] = probability.float().contiguous().numpy()
    return result


def save_network(net: MicrographNet, path: Path, metadata: Mapping[str, object]) -> None:
    """Write weights as safetensors; ``metadata`` (training, calibration) travels in the header as JSON."""
    header = {"shape": json.dumps(asdict(net.shape)), "metadata": json.dumps(metadata, sort_keys=True)}
    tensors = {key: value.contiguous() for key, value in net.state_dict().items()}
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
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        net = MicrographNet(NetworkShape(**json.loads(header["shape"])))
        net.load_state_dict(tensors)
        metadata = dict(json.loads(header["metadata"]))
    except Exception as error:
        raise UserError(f"{path}: not a micrograph network ({error}); train one with 'labwright train sem'") from error
    return channels_last(net.eval()), metadata
