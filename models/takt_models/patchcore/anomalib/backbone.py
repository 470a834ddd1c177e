"""The backbone: layers of a convolutional network of timm, without its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class UnknownBackboneError(ValueError):
    """A backbone that timm does not build, or builds only by reading elsewhere."""


class Backbone(nn.Module):
    """Some layers of a network of timm, with weights of chance until others are loaded.

    Nothing is downloaded. The network ends with the last layer that is taken.

    Args:
        name: name of the network in timm.
        layers: positions of the layers among those that timm offers, in rising order; all if None.

    Attributes:
        names: names of all the layers that timm offers.
        channels: channels of each that is taken.

    Raises:
        UnknownBackboneError: timm has no such network, or no layers of it.

    >>> backbone = Backbone("resnet18", (2, 3)).eval()
    >>> backbone.names, backbone.channels
    (('act1', 'layer1', 'layer2', 'layer3', 'layer4'), (128, 256))
    >>> import torch
    >>> [layer.shape for layer in backbone(torch.zeros(1, 3, 64, 32))]
    [torch.Size([1, 128, 8, 4]), torch.Size([1, 256, 4, 2])]
    """

    def __init__(self, name: str, layers: Sequence[int] | None = None) -> None:
        super().__init__()
        # Imported here, because timm takes seconds to load and most detectors need none of it.
        import timm

        # A name with a scheme, such as `hf-hub:`, would have timm read files or ask a server.
        if ":" in name or not timm.is_model(name):
            raise UnknownBackboneError(f"timm {timm.__version__} has no network {name!r}")
        chosen: dict[str, Any] = {} if layers is None else {"out_indices": tuple(layers)}
        try:
            self.network = timm.create_model(
                name, pretrained=False, features_only=True, exportable=True, **chosen
            )
        except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise UnknownBackboneError(f"timm gives no layers of {name!r}") from error
        info: Any = self.network.feature_info
        self.names = tuple(one["module"] for one in info.info)
        self.channels = tuple(info.channels())

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised [N,3,H,W] -> features [N,C,h,w] of each layer."""
        return list(self.network(x))
