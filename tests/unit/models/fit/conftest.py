"""Networks of EfficientAD with fewer filters, as the steps of a fit on whole ones take long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import nn

from takt_models.efficientad.config import Size
from takt_models.efficientad.detector import PDN

FILTERS = 64
"""As few as Winograd's method and Muon still take."""

whole = PDN.__init__


def narrow(network: PDN, size: Size, out_channels: int, *, padding: bool = False) -> None:
    """What `PDN` is, with `FILTERS` in each convolution in place of 128 to 512."""
    whole(network, size, out_channels, padding=padding)
    last = "conv4" if size == "small" else "conv5"
    for name, conv in list(network.named_children()):
        if not isinstance(conv, nn.Conv2d) or name > last:
            continue
        setattr(
            network,
            name,
            nn.Conv2d(
                min(conv.in_channels, FILTERS),
                conv.out_channels if name == last else FILTERS,
                conv.kernel_size[0],
                padding=conv.padding[0],
            ),
        )


@pytest.fixture(scope="module")
def narrow_networks() -> Iterator[None]:
    """Every `PDN` that a module's tests make is narrow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PDN, "__init__", narrow)
        yield


@pytest.fixture
def whole_networks(narrow_networks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `PDN` of this test is as wide as those that users fit."""
    monkeypatch.setattr(PDN, "__init__", whole)
