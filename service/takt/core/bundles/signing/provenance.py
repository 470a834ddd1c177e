"""Where a bundle comes from: which pictures, which files, and what kind of host.

Nothing here names a person, a host, a folder or a file.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from takt.core.bundles.strict_model import StrictModel

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PictureSet(StrictModel):
    """Some pictures, by their content."""

    count: int = Field(ge=0)
    """0 where there was none, as where a model is taught with pictures of defects alone."""

    digest: Sha256
    """SHA-256 of the list of the files' own SHA-256, in hexadecimal digits, sorted, one a line."""


class Provenance(StrictModel):
    """What a bundle was made from, and where; the manifest has the time and the versions."""

    good: PictureSet
    """Pictures of good parts that the export was given."""

    defects: PictureSet | None = None
    """Pictures of defective parts that it was given."""

    calibrated_on: PictureSet | None = None
    """Good pictures of a later calibration; None if the thresholds are from the export."""

    files: tuple[Sha256, ...] = ()
    """Files that the model came from, sorted: its checkpoint, or the graph that was imported."""

    host: str
    """Processor, cores and GPUs of the export, from `takt.core.host.host_name`."""

    system: str
    """Operating system of the export."""
