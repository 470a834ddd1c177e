"""The good pictures of one or several kinds of part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

import click

from takt_export.calibration.grouping import Grouped, Grouping
from takt_export.calibration.pictures_to_use import distinct
from takt_export.pictures import list_pictures


@dataclass(frozen=True)
class Kinds:
    """Good pictures by kind of part, without copies.

    Attributes:
        by_kind: digest of each picture, one mapping for each kind.
        grouped: what the pictures of all kinds have in common, one kind after another.
    """

    by_kind: tuple[dict[Path, str], ...]
    grouped: Grouped

    @classmethod
    def read(cls, folders: Sequence[Path], grouping: Grouping) -> Self:
        """The pictures of a folder for each kind; tells how many copies are left out.

        Read them before the fit, since a file may be replaced while it runs.

        Raises:
            PicturesError: a folder has no pictures, or a file cannot be read.
        """
        by_kind = tuple(distinct(list_pictures(folder), click.echo) for folder in folders)
        grouped = grouping.grouped([*chain.from_iterable(by_kind)])
        grouping.told(grouped, click.echo)
        return cls(by_kind, grouped)

    @property
    def paths(self) -> list[tuple[Path, ...]]:
        """The pictures of each kind."""
        return [tuple(digests) for digests in self.by_kind]

    @property
    def all(self) -> tuple[Path, ...]:
        """The pictures of all kinds."""
        return tuple(chain.from_iterable(self.by_kind))

    @property
    def digests(self) -> dict[Path, str]:
        """The digest of each picture of any kind."""
        return dict(chain.from_iterable(digests.items() for digests in self.by_kind))
