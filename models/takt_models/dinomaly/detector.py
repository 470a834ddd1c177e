"""The whole Dinomaly, with the two ways in which public code makes map and score of the tokens."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from takt_models.dinomaly.config import DinomalyConfig
from takt_models.dinomaly.decoder import DinomalyBlock
from takt_models.dinov2 import maps
from takt_models.dinov2.encoder import DinoEncoder
from takt_models.dinov2.maps import Groups, mean_of
from takt_models.dinov2.mlp import Mlp


class Dinomaly(Detector):
    """The detector: encoder, noisy bottleneck and a decoder of linear attention.

    The map shows the tokens that the decoder could not rebuild,

        map = mean_g (1 - cos(e_g, d_g)),

    over the groups g of blocks of encoder and decoder. Groups, not single blocks, are compared:
    the loose constraint under which the decoder learns what is usual and not each detail. The map
    is enlarged; resized and smoothed, its highest pixels make the score.

    The methods follow the paper's order, and each takes the results of those before it. T is the
    number of patches and P that of the tokens before them (the class token and the registers).

    >>> import torch
    >>> model = Dinomaly(DinomalyConfig(8, 2, width=28, height=28)).eval()
    >>> anomaly_map, score = model(torch.zeros(1, 3, 28, 28))
    >>> anomaly_map.shape, score.shape
    (torch.Size([1, 256, 256]), torch.Size([1]))
    """

    family = "dinomaly"
    pixel_mean: Tensor
    pixel_std: Tensor
    blur_kernel: Tensor

    def __init__(self, config: DinomalyConfig) -> None:
        super().__init__()
        self.config = config
        self.variant = config.variant
        self.input_size = config.input_size
        self.map_size = config.map_size
        dim = config.embed_dim
        self.encoder = DinoEncoder(config.encoder_shape)
        self.bottleneck = Mlp(dim, config.mlp_ratio * dim, bias=config.mlp_bias)
        self.decoder = nn.ModuleList(DinomalyBlock(config) for _ in range(config.decoder_depth))
        for name, constant in (
            ("pixel_mean", maps.pixel_constant(IMAGENET_MEAN)),
            ("pixel_std", maps.pixel_constant(IMAGENET_STD)),
            ("blur_kernel", maps.gaussian()),
        ):
            self.register_buffer(name, constant, persistent=False)

    @property
    def lowest(self) -> float:
        """0, the cosine distance of a direction from itself, which the blur keeps."""
        return 0.0

    def normalize(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> input of the encoder, without its mean and deviation."""
        return (images - self.pixel_mean) / self.pixel_std

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised input -> tokens after each target block, in order.

        They are [N,P+T,D] where the decoder rebuilds the first P as well, and [N,T,D] elsewhere.
        """
        features = self.encoder.all_tokens(x)
        match self.config.prefix:
            case "rebuilt":
                return features
            case "removed":
                return self.patches(features)
            case "subtracted":
                pairs = zip(self.patches(features), features, strict=True)
                return tuple(patches - tokens[:, :1] for patches, tokens in pairs)

    def decode(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The tokens of all target blocks -> those after each decoder block, the last one first."""
        x = self.bottleneck(mean_of(features))
        decoded: list[Tensor] = []
        for block in self.decoder:
            x = block(x)
            decoded.insert(0, x)
        return tuple(decoded)

    def group(self, features: Sequence[Tensor], decoded: Sequence[Tensor]) -> Groups:
        """The outputs of encoder and decoder -> their means over each group, patches alone."""
        config = self.config
        encoder = tuple(mean_of([features[i] for i in group]) for group in config.encoder_groups)
        decoder = tuple(mean_of([decoded[i] for i in group]) for group in config.decoder_groups)
        if config.prefix == "rebuilt":
            return Groups(self.patches(encoder), self.patches(decoder))
        return Groups(encoder, decoder)

    def patches(self, tokens: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Tokens [N,P+T,D] -> [N,T,D]."""
        return tuple(one[:, self.encoder.prefix :] for one in tokens)

    def group_maps(self, groups: Groups) -> Tensor:
        """The maps [N,G,rows,columns] of the groups: 1 - cos(encoder, decoder)."""
        return maps.distances_of(groups).unflatten(-1, self.config.encoder_shape.grid)

    def patch_map(self, x: Tensor) -> Tensor:
        """Normalised input -> map [N,rows,columns], one cell a patch."""
        features = self.encode(x)
        # This equals the mean of the enlarged maps, because enlarging is linear.
        return self.group_maps(self.group(features, self.decode(features))).mean(1)

    def enlarge(self, patch_map: Tensor) -> Tensor:
        """A map [N,rows,columns] -> [N,H,W] of the input's size, corners on corners."""
        return maps.enlarged(patch_map, self.input_size)

    def smooth(self, enlarged: Tensor) -> Tensor:
        """An enlarged map [N,H,W] -> the smoothed one [N,h,w] that is scored.

        Both code bases resize to 256 × 256 before. The official one takes zeros beyond the border,
        so that its maps fade there; anomalib mirrors.
        """
        border: maps.Border = "zeros" if self.config.recipe == "official" else "mirrored"
        resized = maps.resized(enlarged, self.config.scored_size)
        return maps.blurred(resized, self.blur_kernel, border)

    def score(self, smoothed: Tensor) -> Tensor:
        """A smoothed map [N,h,w] -> the mean [N] of its highest 1 % of pixels."""
        return self.score_of(smoothed.flatten(1))

    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of the pixels that count -> the mean [N] of their highest 1 %."""
        return maps.mean_of_highest(values)

    @property
    def scored_size(self) -> tuple[int, int]:
        """(height, width) of the smoothed map."""
        return self.config.scored_size

    def scored(self, anomaly_map: Tensor) -> Tensor:
        """The anomaly map [N,h,w] -> the smoothed map, which anomalib scores but does not show."""
        return self.smooth(anomaly_map) if self.config.recipe == "anomalib" else anomaly_map

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], float32, about 0 to 2."""
        enlarged = self.enlarge(self.patch_map(self.normalize(images)))
        smoothed = self.smooth(enlarged)
        shown = enlarged if self.config.recipe == "anomalib" else smoothed
        return shown, self.score(smoothed)
