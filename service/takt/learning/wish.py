"""What is to be learned, as somebody asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from takt.core.families.every import learnable, usual

if TYPE_CHECKING:
    LearnedFamily = str
else:
    LearnedFamily = Literal[tuple(one.name for one in learnable())]
LearningDevice = Literal["cpu", "auto"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be learned.

    Attributes:
        model: name of the model; its next version is made.
        update: add the pictures to the bank of the active version, instead of learning anew.
        teach: make the next version of the active one from what people judged; it is an update.
        family: of the detector.
        alpha: share of good pictures that may be rejected; `takt learn` chooses if None.
        minutes: time for the fit of a family that trains.
        size: of the input, as `--size` takes it.
        device: where to compute.
        pictures_of: id of the learning that is over whose pictures it begins with.
    """

    model: str
    update: bool = False
    teach: bool = False
    family: LearnedFamily = usual().name
    alpha: float | None = None
    minutes: float | None = None
    size: str | None = None
    device: LearningDevice = "cpu"
    pictures_of: str | None = None

    def arguments(self, pictures: Path, repository: Path, threads: int) -> list[str]:
        """The arguments of `takt learn`.

        >>> Wish("nut", alpha=0.05).arguments(Path("/p"), Path("/r"), threads=3)[-4:]
        ['--family', 'patchcore', '--alpha', '0.05']
        >>> taught = Wish("nut", update=True, teach=True)
        >>> taught.arguments(Path("/p"), Path("/r"), threads=3)[2:6]
        ['--teach', '/p', '--update', 'nut']

        Args:
            pictures: folder of the good pictures; of the judged ones for what is taught.
            repository: folder of the models.
            threads: of the CPU.
        """
        given = {
            "--progress": "json",
            "--teach" if self.teach else "--good": pictures,
            "--update" if self.update else "--model": self.model,
            "--repository": repository,
            "--device": self.device,
            "--threads": threads,
            "--family": self.family,
            "--alpha": self.alpha,
            "--minutes": self.minutes,
            "--size": self.size,
        }
        return [str(word) for pair in given.items() if pair[1] is not None for word in pair]
