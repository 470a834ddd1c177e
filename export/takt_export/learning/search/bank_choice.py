"""A way to learn a PatchCore on Lite0: what a search chooses among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from takt.core.domain import Json
from takt_export.learning.size_request import USUAL_SIZE
from takt_export.learning.sizing import sized_patchcore
from takt_models.checkpoints.facts import FileDepth
from takt_models.fit.device import Compute
from takt_models.fit.inpformer.encoders import LITE0
from takt_models.fit.patchcore import encoders as patchcore_encoders
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.patchcore.config import Layers


@dataclass(frozen=True)
class BankChoice:
    """What shapes a bank.

    Attributes:
        side: of the square input in pixels.
        layers: blocks of the encoder whose features are compared.
        bank_size: vectors of all layers' banks together.
        depth: bits of files of 16 that become 8.

    >>> BankChoice(320, (4, 10), 6000).text
    'side 320, blocks 4+10, 6000 vectors'
    """

    side: int
    layers: Layers
    bank_size: int
    depth: FileDepth = "full"

    @classmethod
    def usual(cls, good: Sequence[Path], compute: Compute) -> Self:
        """What `takt learn` takes for these good pictures without a search.

        Raises:
            PicturesError: a picture cannot be read.
        """
        bank_size = PatchCoreOptions().bank_size
        usual = sized_patchcore(USUAL_SIZE, good, LITE0, bank_size, compute, lambda _: None)
        return cls(usual.config.width, usual.config.layers, bank_size, usual.recipe.depth)

    @property
    def text(self) -> str:
        """For people."""
        blocks = "+".join(map(str, self.layers))
        return f"side {self.side}, blocks {blocks}, {self.bank_size} vectors"

    @property
    def work(self) -> int:
        """Pixels times vectors, by which the time of a fit about grows."""
        return self.side**2 * self.bank_size

    def encoder(self) -> PatchCoreEncoder:
        """The encoder that gives these layers of an input of this size.

        Raises:
            ValueError: it takes no such input, or has no such blocks.
        """
        found = patchcore_encoders.encoder_of(LITE0, self.side, self.side)
        config = replace(found.config, layers=self.layers, bank_sizes=(1,) * len(self.layers))
        return replace(found, config=config, recipe=replace(found.recipe, depth=self.depth))

    def plain(self) -> Json:
        """For programs."""
        return {"side": self.side, "layers": [*self.layers], "bank_size": self.bank_size}
