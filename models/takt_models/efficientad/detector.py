"""EfficientAD (Batzner et al., arXiv 2303.14535): students, autoencoder, anomaly map.

The order is the paper's: the networks of teacher and student (PDN-S, PDN-M), the autoencoder, then
the whole detector. It has the two ways in which the public code bases make one map of the two
differences.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD, Detector
from takt_models.efficientad.config import MAP_BORDER, TEACHER_CHANNELS, EfficientAdConfig, Size


class PDN(nn.Module):
    """A patch description network: each output describes a patch of 33 × 33 pixels.

    Args:
        size: `small` (PDN-S, four convolutions) or `medium` (PDN-M, six).
        out_channels: C for a teacher (the paper's 384), 2 C for a student.
        padding: whether convolutions are padded, so that 256² gives 64² instead of 56².

    >>> PDN("small", 384)(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 384, 8, 8])
    """

    def __init__(self, size: Size, out_channels: int, *, padding: bool = False) -> None:
        super().__init__()
        pad = int(padding)
        if size == "small":
            self.conv1 = nn.Conv2d(3, 128, 4, padding=3 * pad)
            self.conv2 = nn.Conv2d(128, 256, 4, padding=3 * pad)
            self.conv3 = nn.Conv2d(256, 256, 3, padding=pad)
            self.conv4 = nn.Conv2d(256, out_channels, 4)
        else:
            self.conv1 = nn.Conv2d(3, 256, 4, padding=3 * pad)
            self.conv2 = nn.Conv2d(256, 512, 4, padding=3 * pad)
            self.conv3 = nn.Conv2d(512, 512, 1)
            self.conv4 = nn.Conv2d(512, 512, 3, padding=pad)
            self.conv5 = nn.Conv2d(512, out_channels, 4)
            self.conv6 = nn.Conv2d(out_channels, out_channels, 1)
        self.size = size
        self.pool = nn.AvgPool2d(2, 2, padding=pad, count_include_pad=True)

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet-normalised [N,3,H,W] -> features [N,C,h,w] (56 × 56 for 256 × 256)."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = F.relu(self.conv3(x))
        features: Tensor = self.conv4(x)
        if self.size == "medium":
            features = self.conv6(F.relu(self.conv5(F.relu(features))))
        return features


class Encoder(nn.Module):
    """The first half of the autoencoder: each 256 × 256 pixels of an image become one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.enconv1 = nn.Conv2d(3, 32, 4, stride=2, padding=1)
        self.enconv2 = nn.Conv2d(32, 32, 4, stride=2, padding=1)
        self.enconv3 = nn.Conv2d(32, 64, 4, stride=2, padding=1)
        self.enconv4 = nn.Conv2d(64, 64, 4, stride=2, padding=1)
        self.enconv5 = nn.Conv2d(64, 64, 4, stride=2, padding=1)
        self.enconv6 = nn.Conv2d(64, 64, 8)

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet-normalised [N,3,H,W] -> latent [N,64,H/32-7,W/32-7]."""
        for conv in (self.enconv1, self.enconv2, self.enconv3, self.enconv4, self.enconv5):
            x = F.relu(conv(x))
        latent: Tensor = self.enconv6(x)
        return latent


class Decoder(nn.Module):
    """The second half of the autoencoder: the vectors become the teacher's features."""

    def __init__(self, channels: int = TEACHER_CHANNELS, *, padding: bool = False) -> None:
        super().__init__()
        self.padding = padding
        self.deconv1 = nn.Conv2d(64, 64, 4, padding=2)
        self.deconv2 = nn.Conv2d(64, 64, 4, padding=2)
        self.deconv3 = nn.Conv2d(64, 64, 4, padding=2)
        self.deconv4 = nn.Conv2d(64, 64, 4, padding=2)
        self.deconv5 = nn.Conv2d(64, 64, 4, padding=2)
        self.deconv6 = nn.Conv2d(64, 64, 4, padding=2)
        self.deconv7 = nn.Conv2d(64, 64, 3, padding=1)
        self.deconv8 = nn.Conv2d(64, channels, 3, padding=1)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor, image_size: tuple[int, int]) -> Tensor:
        """The latent of an image of `image_size` (H, W) -> features [N,C,h,w]."""
        convs = (self.deconv1, self.deconv2, self.deconv3, self.deconv4, self.deconv5, self.deconv6)
        for conv, size in zip(convs, self._upsampled_sizes(image_size), strict=True):
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
            x = self.dropout(F.relu(conv(x)))
        x = F.interpolate(x, size=self._output_size(image_size), mode="bilinear")
        features: Tensor = self.deconv8(F.relu(self.deconv7(x)))
        return features

    @staticmethod
    def _upsampled_sizes(image_size: tuple[int, int]) -> list[tuple[int, int]]:
        height, width = image_size
        steps = ((64, 1), (32, 0), (16, 1), (8, 0), (4, 1), (2, 1))
        return [(height // by - less, width // by - less) for by, less in steps]

    def _output_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        less = 0 if self.padding else 2 * MAP_BORDER
        return math.ceil(image_size[0] / 4) - less, math.ceil(image_size[1] / 4) - less


class Autoencoder(nn.Module):
    """An autoencoder that learns whole good parts, and so finds logical anomalies.

    >>> Autoencoder(channels=4)(torch.zeros(1, 3, 256, 256)).shape
    torch.Size([1, 4, 56, 56])
    """

    def __init__(self, channels: int = TEACHER_CHANNELS, *, padding: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder(channels, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet-normalised [N,3,H,W] -> features [N,C,h,w]."""
        features: Tensor = self.decoder(self.encoder(x), (x.shape[-2], x.shape[-1]))
        return features


class Differences(NamedTuple):
    """The two raw maps [N,1,h,w]: student against teacher, student against autoencoder."""

    st: Tensor
    ae: Tensor


class EfficientAd(Detector):
    """The detector: teacher, student and autoencoder, with the statistics that scale them.

    The map is the mean of two normalised differences,

        m_st = mean_c (t̂ - s[:C])²,  m_ae = mean_c (a - s[C:])²,
        m̂ = 0.1 (m - q_a) / (q_b - q_a),  map = (m̂_st + m̂_ae) / 2,  score = max map,

    where t̂ is the teacher's output normalised per channel and q_a, q_b are the 0.9 and 0.995
    quantiles of m on good validation images.

    >>> model = EfficientAd(EfficientAdConfig(teacher_channels=4)).eval()
    >>> anomaly_map, score = model(torch.zeros(1, 3, 256, 256))
    >>> anomaly_map.shape, score.shape
    (torch.Size([1, 256, 256]), torch.Size([1]))
    """

    family = "efficientad"
    teacher_mean: Tensor
    teacher_std: Tensor
    quantiles: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: EfficientAdConfig) -> None:
        super().__init__()
        self.config = config
        self.variant = config.size
        self.input_size = config.input_size
        self.map_size = config.map_size
        if config.recipe == "nelson1425":
            self.score_from = "map_on_picture"
        channels = config.teacher_channels
        self.teacher = PDN(config.size, channels, padding=config.padding)
        self.student = PDN(config.size, 2 * channels, padding=config.padding)
        self.autoencoder = Autoencoder(channels, padding=config.padding)
        self.register_buffer("teacher_mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("teacher_std", torch.ones(1, channels, 1, 1))
        self.register_buffer("quantiles", torch.tensor([0.0, 1.0, 0.0, 1.0]))
        self.register_buffer("pixel_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), False)

    @property
    def lowest(self) -> float:
        """The value of the map where both differences, which are mean squares, are 0."""
        nothing = self.quantiles.new_zeros(())
        return float(self.scale(Differences(st=nothing, ae=nothing)))

    def normalize(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> network input, without ImageNet's mean and deviation."""
        return (images - self.pixel_mean) / self.pixel_std

    def teach(self, x: Tensor) -> Tensor:
        """Normalised input -> features of the teacher, each channel of mean 0 and deviation 1."""
        features: Tensor = self.teacher(x)
        return (features - self.teacher_mean) / self.teacher_std

    def differences(self, x: Tensor) -> Differences:
        """Normalised input -> the two raw maps, before padding, resizing and scaling."""
        of_teacher, of_autoencoder = self.student(x).chunk(2, dim=1)
        return Differences(
            st=(self.teach(x) - of_teacher).square().mean(1, keepdim=True),
            ae=(self.autoencoder(x) - of_autoencoder).square().mean(1, keepdim=True),
        )

    def pad(self, maps: Tensor) -> Tensor:
        """Surrounds [N,1,h,w] with the zero border that unpadded convolutions lose."""
        return F.pad(maps, (MAP_BORDER,) * 4) if self.config.pad_maps else maps

    def scale(self, raw: Differences) -> Tensor:
        """The mean [N,1,h,w] of the two maps, each scaled by its quantiles."""
        qa_st, qb_st, qa_ae, qb_ae = self.quantiles.unbind()
        st = 0.1 * (raw.st - qa_st) / (qb_st - qa_st)
        ae = 0.1 * (raw.ae - qa_ae) / (qb_ae - qa_ae)
        return 0.5 * st + 0.5 * ae

    def quantile_maps(self, raw: Differences) -> Differences:
        """The raw maps -> the maps whose quantiles this recipe takes."""
        if self.config.recipe == "nelson1425":
            return raw
        return Differences(*(self._resize(self.pad(m), self.input_size) for m in raw))

    def combine(self, raw: Differences, output_size: tuple[int, int] | None = None) -> Tensor:
        """The raw maps -> the anomaly map [N,1,H,W] of `output_size`, by default `map_size`.

        nelson1425 scales before it pads, so that the border is 0, and resizes to the size of the
        picture. anomalib pads and resizes to the size of the input before it scales, so that the
        border is 0.1 (0 - q_a) / (q_b - q_a), below the maps of good parts.
        """
        size = output_size or self.map_size
        if self.config.recipe == "nelson1425":
            return self._resize(self.pad(self.scale(raw)), size)
        return self.scale(Differences(*(self._resize(self.pad(m), size) for m in raw)))

    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of the cells that count -> [N]: the highest, or the mean of some."""
        if not self.config.scored_share:
            return values.amax(1)
        count = max(1, int(values.shape[1] * self.config.scored_share))
        return values.topk(count, dim=1, sorted=False).values.mean(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], both float32, unbounded.

        By nelson1425's recipe the score is the maximum of the map before it is resized. The code
        of nelson1425 takes the maximum on the picture, which is lower by a few percent.
        """
        anomaly_map = self.combine(self.differences(self.normalize(images))).squeeze(1)
        return anomaly_map, self.score_of(anomaly_map.flatten(1))

    @staticmethod
    def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
