"""The whole PatchCore: features of several layers, and the nearest vector of each layer's bank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from takt_models.inpformer import lite0
from takt_models.patchcore.bank import LEAST_DISTANCE, Bank
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.encoder import DinoPyramid, Lite0Pyramid
from takt_models.patchcore.head import DefectHead
from takt_models.patchcore.locator import Locator

SCORED_CELLS = 16
"""Number of the map's cells, the highest ones, whose mean is the score.

A number and no share: however large the map is, even a small defect stands out over about 4 x 4
cells, as far as the encoder sees around each.
"""


class PatchCore(Detector):
    """The detector: an encoder, and a bank of features of good parts for each of its layers.

    A cell of layer l has standardised features x of C_l channels. Its distance to the nearest
    vector b of the layer's bank tells by how many deviations a channel differs, about:

        d_l = √(min_b |x - b|² / C_l),    min_b |x - b|² = |x|² - 2 max_b (xb - |b|²/2).

    The coarser layers are enlarged to the finest one's grid. What is far from the bank is usual at
    some places, such as the border, where the encoder sees zeros, or an edge that never lies quite
    alike. So each cell is measured by what good pictures have at its own place:

        z_l = (d_l - m_l) / s_l,    m_l, s_l: mean and deviation of d_l there (`places.py`).

    The map is the mean of z_l over the layers: small defects stand out in a fine layer, and odd
    parts of known structure in a coarse one. The score is the mean of the map's 16 highest cells.
    Both are deviations: 0 is usual, and less than 0 more like the bank than usual.

    Where good parts all lie alike, a locator tells how far a part lies from there (`locator.py`).
    Cells of the map that show what came from beyond the border are at most 0: they are new, and no
    defect.

    A model that was taught has a head besides (`head.py`): score and map are the higher of what
    bank and head say.

    >>> model = PatchCore(PatchCoreConfig((10, 20), width=64, height=32)).eval()
    >>> anomaly_map, score = model(torch.zeros(1, 3, 32, 64))
    >>> anomaly_map.shape, score.shape
    (torch.Size([1, 4, 8]), torch.Size([1]))

    Attributes:
        usual: means m_l of the layers' distances at each place, [L,h,w].
        spread: their deviations s_l, above 0, [L,h,w].
        head: what judged defects look like; None unless the model was taught.
        locator: where a part lies; None where good parts do not lie alike.
    """

    family = "patchcore"
    pixel_mean: Tensor
    pixel_std: Tensor
    usual: Tensor
    spread: Tensor

    def __init__(self, config: PatchCoreConfig) -> None:
        super().__init__()
        self.config = config
        self.variant = config.variant
        light = config.encoder == "lite0"
        self.encoder = Lite0Pyramid(config.layers) if light else DinoPyramid(config)
        self.input_size = config.input_size
        self.grids = [
            (config.height // stride, config.width // stride) for stride in self.encoder.strides
        ]
        self.map_size = self.grids[0]
        sizes = zip(config.bank_sizes, self.encoder.channels, strict=True)
        self.memory = nn.ModuleList(Bank(size, channels) for size, channels in sizes)
        self.head: DefectHead | None = None
        if config.directions:
            self.head = DefectHead(config.directions, sum(self.encoder.channels), self.grids[-1])
        self.locator = Locator(self.input_size, self.map_size) if config.locates else None
        places = (len(self.grids), *self.map_size)
        self.register_buffer("usual", torch.zeros(places))
        self.register_buffer("spread", torch.ones(places))
        pixels = {
            "pixel_mean": (lite0.MEAN,) * 3 if light else IMAGENET_MEAN,
            "pixel_std": (lite0.STD,) * 3 if light else IMAGENET_STD,
        }
        for name, values in pixels.items():
            self.register_buffer(name, _on_cpu(values).view(1, 3, 1, 1), persistent=False)

    @property
    def banks(self) -> tuple[Bank, ...]:
        """The bank of each layer, in the order of `config.layers`."""
        return cast(tuple[Bank, ...], tuple(self.memory))

    @property
    def lowest(self) -> float:
        """The value of the map where every layer's distance is the least, at the lowest place."""
        return float(((LEAST_DISTANCE - self.usual) / self.spread).mean(0).min())

    def normalize(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> input of the encoder, without its mean and deviation."""
        return (images - self.pixel_mean) / self.pixel_std

    def embed(self, x: Tensor) -> list[Tensor]:
        """Normalised input -> features [N,h·w,C] of the cells of each layer."""
        return [layer.flatten(2).transpose(1, 2) for layer in self.encoder(x)]

    def distances(self, cells: Sequence[Tensor]) -> Tensor:
        """Features [N,h·w,C] of each layer -> distances [L,N,h,w] on the finest grid."""
        banks = zip(self.banks, cells, strict=True)
        return self.enlarge([bank(features) for bank, features in banks])

    def enlarge(self, distances: Sequence[Tensor]) -> Tensor:
        """Distances [N,h·w] of each layer -> the same [L,N,h,w] on the finest grid."""
        layers = [one.unflatten(1, grid) for one, grid in zip(distances, self.grids, strict=True)]
        return torch.stack(
            [
                one
                if grid == self.map_size
                else F.interpolate(
                    one[:, None], size=self.map_size, mode="bilinear", align_corners=False
                )[:, 0]
                for one, grid in zip(layers, self.grids, strict=True)
            ]
        )

    def cells(self, layers: Sequence[Tensor]) -> Tensor:
        """Features [N,h·w,C] of each layer -> standardised ones [N,h,w,C] on the coarsest grid.

        C are the channels of all layers together.
        """
        height, width = self.grids[-1]
        found = []
        for bank, features, grid in zip(self.banks, layers, self.grids, strict=True):
            planes = features.transpose(1, 2).unflatten(2, grid)
            if grid != self.grids[-1]:
                planes = F.avg_pool2d(planes, (grid[0] // height, grid[1] // width))
            found.append(bank.standardize(planes.permute(0, 2, 3, 1)))
        return torch.cat(found, -1)

    def fuse(self, distances: Tensor) -> Tensor:
        """Distances [L,N,h,w] -> anomaly map [N,h,w], in deviations of what is usual."""
        return ((distances - self.usual[:, None]) / self.spread[:, None]).mean(0)

    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of the cells that count -> the mean [N] of the `SCORED_CELLS` highest.

        Of fewer cells it is the mean of all.
        """
        return values.topk(min(SCORED_CELLS, values.shape[1]), dim=1).values.mean(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], float32, in deviations."""
        layers = self.embed(self.normalize(images))
        anomaly_map = self.fuse(self.distances(layers))
        if self.locator is not None:
            new = self.locator.new_content(self.locator(images))
            anomaly_map = torch.where(new, anomaly_map.clamp_max(0), anomaly_map)
        score = self.score_of(anomaly_map.flatten(1))
        if self.head is None:
            return anomaly_map, score
        said = self.head(self.cells(layers))
        # Each cell of the map takes what its own cell of the coarser grid says.
        shown = F.interpolate(said.cells[:, None], size=self.map_size, mode="nearest")[:, 0]
        return torch.maximum(anomaly_map, shown), torch.maximum(score, said.score)


def _on_cpu(values: Sequence[float]) -> Tensor:
    # The device is named, so that a model built on the meta device has its constants.
    return torch.tensor(values, device="cpu")
