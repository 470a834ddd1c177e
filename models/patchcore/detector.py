"""The whole PatchCore: features, their neighbourhoods, the nearest vector of the bank."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from models.inpformer import lite0
from models.patchcore.config import PatchCoreConfig
from models.patchcore.encoder import DinoPyramid, Lite0Pyramid

LEAST_DISTANCE = 0.02
"""Lower bound of a distance. |x|² - 2xb + |b|² loses its last digits where x is all but b, and the
root would make a large difference of that."""


class PatchCore(Detector):
    """The detector: an encoder and a bank of features of good parts.

    Each cell of a picture has the features x of several layers of the encoder, averaged over the
    cells around it and standardised. The map is the distance to the nearest vector b of the bank,

        map = √(min_b |x - b|² / C),    min_b |x - b|² = |x|² - 2 max_b (xb - |b|²/2),

    over the C channels: about by how many deviations a channel differs. The distances to all
    vectors are one matrix product. The score is the map's power mean, (mean map⁸)^(1/8): it leans
    to the highest cells, and only falls as vectors are added.

    >>> model = PatchCore(PatchCoreConfig(bank_size=10, width=64, height=32)).eval()
    >>> anomaly_map, score = model(torch.zeros(1, 3, 32, 64))
    >>> anomaly_map.shape, score.shape
    (torch.Size([1, 4, 8]), torch.Size([1]))

    Attributes:
        bank: standardised features of good parts, [bank_size,C].
        mean: means of the features' channels over pictures of good parts, [C].
        std: deviations in the same order, [C]; never 0.
    """

    family = "patchcore"
    mean: Tensor
    std: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: PatchCoreConfig) -> None:
        super().__init__()
        self.config = config
        self.variant = config.variant
        light = config.encoder == "lite0"
        self.encoder = (
            Lite0Pyramid(config.layers, config.neighbourhood) if light else DinoPyramid(config)
        )
        self.input_size = config.input_size
        stride = self.encoder.stride
        self.map_size = config.height // stride, config.width // stride
        channels = self.encoder.channels
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.bank = nn.Parameter(torch.zeros(config.bank_size, channels), requires_grad=False)
        pixels = {
            "pixel_mean": (lite0.MEAN,) * 3 if light else IMAGENET_MEAN,
            "pixel_std": (lite0.STD,) * 3 if light else IMAGENET_STD,
        }
        for name, values in pixels.items():
            self.register_buffer(name, _on_cpu(values).view(1, 3, 1, 1), persistent=False)

    @property
    def lowest(self) -> float:
        """The least distance, at a cell that lies in the bank."""
        return LEAST_DISTANCE

    def normalize(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> input of the encoder, without its mean and deviation."""
        return (images - self.pixel_mean) / self.pixel_std

    def embed(self, x: Tensor) -> Tensor:
        """Normalised input -> features [N,h·w,C] of its cells, averaged over neighbours."""
        features: Tensor = self.encoder(x)
        return features.flatten(2).transpose(1, 2)

    def standardize(self, features: Tensor) -> Tensor:
        """Features [...,C] -> the same with mean 0 and deviation 1 of each channel."""
        return (features - self.mean) / self.std

    def distance(self, cells: Tensor, bank: Tensor | None = None) -> Tensor:
        """Standardised features [N,T,C] -> distances [N,T] to the nearest vector of a bank.

        Args:
            cells: features of the cells.
            bank: another bank [M,C] than the model's own.
        """
        bank = self.bank if bank is None else bank
        nearest = F.linear(cells, bank, -0.5 * bank.square().sum(1)).amax(-1)
        squared = (cells.square().sum(-1) - 2 * nearest) / bank.shape[1]
        return squared.clamp_min(LEAST_DISTANCE**2).sqrt()

    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of the cells that count -> their power mean [N]."""
        power = self.config.scored_power
        highest = values.amax(1, keepdim=True)
        # As shares of the highest, so that no power leaves the range of any precision.
        mean = (values / highest).pow(power).mean(1)
        score: Tensor = highest[:, 0] * mean.pow(1 / power)
        return score

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], float32, at least 0.02."""
        cells = self.standardize(self.embed(self.normalize(images)))
        distances = self.distance(cells)
        anomaly_map: Tensor = distances.unflatten(1, self.map_size)
        return anomaly_map, self.score_of(distances)


def _on_cpu(values: Sequence[float]) -> Tensor:
    # The device is named, so that a model built on the meta device has its constants.
    return torch.tensor(values, device="cpu")
