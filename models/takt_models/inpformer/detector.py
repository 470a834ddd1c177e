"""The whole INP-Former, with the two ways in which public code makes one map of the tokens."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from takt_models.dinov2 import maps
from takt_models.dinov2.encoder import DinoEncoder
from takt_models.dinov2.maps import COSINE_EPS, Groups, mean_of
from takt_models.dinov2.mlp import Mlp
from takt_models.inpformer import lite0
from takt_models.inpformer.config import InpFormerConfig, Mode
from takt_models.inpformer.inp import DecoderBlock, InpExtractor
from takt_models.inpformer.lite0 import Lite0Encoder


class InpFormer(Detector):
    """The detector: encoder, INP extractor, bottleneck and INP-guided decoder.

    The map shows the tokens that the decoder could not rebuild out of the picture's INPs,

        map = mean_g (1 - cos(e_g, d_g)),

    over the groups g of blocks of encoder and decoder. Without a decoder that knows the part
    (zero-shot), the map is the distance of the fused tokens x to the nearest INP,
    min_p (1 - cos(x, INP_p)). The map is enlarged and smoothed; the score is the mean of its
    highest pixels.

    The methods follow the paper's order, and each takes the results of those before it. T is the
    number of patches and P the number of INPs.

    >>> import torch
    >>> model = InpFormer(InpFormerConfig(8, 2, 2, width=28, height=28)).eval()
    >>> anomaly_map, score = model(torch.zeros(1, 3, 28, 28))
    >>> anomaly_map.shape, score.shape
    (torch.Size([1, 256, 256]), torch.Size([1]))
    """

    family = "inpformer"
    pixel_mean: Tensor
    pixel_std: Tensor
    blur_kernel: Tensor

    def __init__(self, config: InpFormerConfig) -> None:
        super().__init__()
        self.config = config
        self.variant = config.variant
        self.input_size = config.input_size
        self.map_size = config.map_size
        dim = config.embed_dim
        light = config.encoder == "lite0"
        self.encoder: nn.Module = Lite0Encoder(dim) if light else DinoEncoder(config.encoder_shape)
        mean = (lite0.MEAN,) * 3 if light else IMAGENET_MEAN
        std = (lite0.STD,) * 3 if light else IMAGENET_STD
        self.extractor = InpExtractor(config)
        self.bottleneck = Mlp(dim, config.mlp_ratio * dim)
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.decoder_depth))
        for name, constant in (
            ("pixel_mean", maps.pixel_constant(mean)),
            ("pixel_std", maps.pixel_constant(std)),
            ("blur_kernel", maps.gaussian()),
        ):
            self.register_buffer(name, constant, persistent=False)

    @property
    def lowest(self) -> float:
        """0, the cosine distance of a direction from itself, which the blur keeps."""
        return 0.0

    def in_mode(self, mode: Mode) -> InpFormer:
        """A copy that shares the weights and answers with the map of a mode."""
        model = copy.copy(self)
        model.config = replace(self.config, mode=mode)
        return model

    def normalize(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> input of the encoder, without its mean and deviation."""
        return (images - self.pixel_mean) / self.pixel_std

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised input -> patch tokens [N,T,D] after each target block, in order."""
        features: tuple[Tensor, ...] = self.encoder(x)
        return features

    def fuse(self, features: Sequence[Tensor]) -> Tensor:
        """The tokens of all target blocks -> their mean [N,T,D]."""
        return mean_of(features)

    def extract(self, fused: Tensor) -> Tensor:
        """Fused tokens [N,T,D] -> the picture's INPs [N,P,D]."""
        inps: Tensor = self.extractor(fused)
        return inps

    def distance(self, fused: Tensor, inps: Tensor) -> Tensor:
        """The zero-shot map [N,rows,columns]: min_p (1 - cos(x, INP_p)) for each token."""
        x, prototypes = (F.normalize(t, dim=-1, eps=COSINE_EPS) for t in (fused, inps))
        return self._on_grid(1 - (x @ prototypes.transpose(1, 2)).amax(-1))

    def coherence(self, distance: Tensor) -> Tensor:
        """The INP coherence loss [N]: the mean distance of the tokens to the nearest INP."""
        return distance.flatten(1).mean(1)

    def decode(self, fused: Tensor, inps: Tensor) -> tuple[Tensor, ...]:
        """Fused tokens and INPs -> tokens [N,T,D] after each decoder block, the last one first."""
        x = self.bottleneck(fused)
        decoded: list[Tensor] = []
        for block in self.decoder:
            x = block(x, inps)
            decoded.insert(0, x)
        return tuple(decoded)

    def group(self, features: Sequence[Tensor], decoded: Sequence[Tensor]) -> Groups:
        """The outputs of encoder and decoder -> their means over each group of blocks."""
        return Groups(self.group_encoded(features), self.group_decoded(decoded))

    def group_encoded(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The encoder's outputs -> their means [N,T,D] over each group of blocks."""
        return tuple(mean_of([features[i] for i in group]) for group in self.config.encoder_groups)

    def group_decoded(self, decoded: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The decoder's outputs, the last one first -> their means [N,T,D] over each group."""
        return tuple(mean_of([decoded[i] for i in group]) for group in self.config.decoder_groups)

    def group_maps(self, groups: Groups) -> Tensor:
        """The maps [N,G,rows,columns] of the groups: 1 - cos(encoder, decoder)."""
        return self._on_grid(maps.distances_of(groups))

    def patch_map(self, x: Tensor) -> Tensor:
        """Normalised input -> map [N,rows,columns] of the configured mode, one cell a patch."""
        features = self.encode(x)
        fused = self.fuse(features)
        inps = self.extract(fused)
        if self.config.mode == "zero_shot":
            return self.distance(fused, inps)
        # This equals the mean of the enlarged maps, because enlarging is linear.
        return self.group_maps(self.group(features, self.decode(fused, inps))).mean(1)

    def enlarge(self, patch_map: Tensor) -> Tensor:
        """A map [N,rows,columns] -> [N,H,W] of the input's size, corners on corners."""
        return maps.enlarged(patch_map, self.input_size)

    def smooth(self, enlarged: Tensor) -> Tensor:
        """An enlarged map [N,H,W] -> the anomaly map [N,h,w].

        The official code first resizes to 256 × 256 and takes zeros beyond the border, so that its
        maps fade there. anomalib keeps the size of the input and mirrors.
        """
        if self.config.recipe == "official":
            return maps.blurred(maps.resized(enlarged, self.map_size), self.blur_kernel, "zeros")
        return maps.blurred(enlarged, self.blur_kernel, "mirrored")

    def score(self, anomaly_map: Tensor) -> Tensor:
        """An anomaly map [N,h,w] -> the mean [N] of its highest 1 % of pixels."""
        return self.score_of(anomaly_map.flatten(1))

    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of the pixels that count -> the mean [N] of their highest 1 %."""
        return maps.mean_of_highest(values)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], float32, about 0 to 2."""
        anomaly_map = self.smooth(self.enlarge(self.patch_map(self.normalize(images))))
        return anomaly_map, self.score(anomaly_map)

    def _on_grid(self, per_patch: Tensor) -> Tensor:
        return per_patch.unflatten(-1, self.config.grid)
