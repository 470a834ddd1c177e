"""The whole detector: patches of joined layers, their nearest vectors, map and score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from takt_models.patchcore.anomalib.backbone import Backbone
from takt_models.patchcore.anomalib.bank import JointBank
from takt_models.patchcore.anomalib.config import JointPatchCoreConfig
from takt_models.patchcore.anomalib.smoothing import PatchSmoothing


class JointPatchCore(Detector):
    """PatchCore by anomalib's recipe, which is the paper's: one bank, and a weighed score.

    A patch x joins the features of several layers of the backbone, each averaged over 3 x 3 cells
    and enlarged to the first one's grid. With b the nearest vector of the bank,

        d = |x - b|,    map = blurred d,    score = w max d,

    where w (`JointBank.weight`) is near 1 unless the vectors around the b of the patch of the
    greatest d are as far from it as b. The map has the size of the input and is blurred after it
    was enlarged, so that its maximum is less than max d.

    >>> model = JointPatchCore(JointPatchCoreConfig("resnet18", (2, 3), 10, width=64, height=32))
    >>> anomaly_map, score = model.eval()(torch.zeros(1, 3, 32, 64))
    >>> anomaly_map.shape, score.shape
    (torch.Size([1, 32, 64]), torch.Size([1]))
    """

    family = "patchcore"
    # Its own score is taken from patches, before the map is blurred.
    note_of_part = "the score is the map's highest value inside"
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: JointPatchCoreConfig) -> None:
        super().__init__()
        self.config = config
        self.variant = config.backbone
        self.input_size = self.map_size = config.input_size
        self.encoder = Backbone(config.backbone, config.layers)
        self.memory = JointBank(config.bank_size, sum(self.encoder.channels))
        self.grid = _grid_of(config)
        self.smoothing = PatchSmoothing(self.grid, self.map_size)
        for name, values in (("pixel_mean", IMAGENET_MEAN), ("pixel_std", IMAGENET_STD)):
            constant = torch.tensor(values, device="cpu").view(1, 3, 1, 1)
            self.register_buffer(name, constant, persistent=False)

    @property
    def lowest(self) -> float:
        """0, the distance of a vector of the bank from itself."""
        return 0.0

    def normalise_by(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Takes the training's mean and deviation of R, G and B instead of ImageNet's."""
        for buffer, values in ((self.pixel_mean, mean), (self.pixel_std, std)):
            buffer.copy_(torch.tensor(values).view(1, 3, 1, 1))

    def normalize(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> input of the backbone, by the training's mean and deviation."""
        return (images - self.pixel_mean) / self.pixel_std

    def embed(self, x: Tensor) -> Tensor:
        """Normalised input -> patches [N,h·w,C], the features of all layers joined."""
        layers = [F.avg_pool2d(layer, 3, 1, 1) for layer in self.encoder(x)]
        enlarged = [
            F.interpolate(layer, size=self.grid, mode="bilinear", align_corners=False)
            for layer in layers[1:]
        ]
        return torch.cat([layers[0], *enlarged], 1).flatten(2).transpose(1, 2)

    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of the map's cells that count -> the highest [N].

        The score of a whole picture is another: it is taken from the patches, before the blur.
        """
        return values.amax(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,H,W] and score [N], both float32, at least 0."""
        patches = self.embed(self.normalize(images))
        distance, number = self.memory(patches)
        anomaly_map = self.smoothing(distance.unflatten(1, self.grid))
        return anomaly_map, self._score(patches, distance, number)

    def _score(self, patches: Tensor, distance: Tensor, number: Tensor) -> Tensor:
        highest, place = distance.max(1, keepdim=True)
        if self.config.neighbors == 1:
            return highest[:, 0]
        patch = patches.gather(1, place[..., None].expand(-1, 1, patches.shape[2])).squeeze(1)
        nearest = number.gather(1, place).squeeze(1)
        return highest[:, 0] * self.memory.weight(patch, nearest, self.config.neighbors)


def _grid_of(config: JointPatchCoreConfig) -> tuple[int, int]:
    """(h, w) of the first layer's features; nothing is computed."""
    with torch.device("meta"):
        layers = Backbone(config.backbone, config.layers).eval()(
            torch.zeros(1, 3, *config.input_size)
        )
    return layers[0].shape[2], layers[0].shape[3]
