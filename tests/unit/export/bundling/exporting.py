"""An export without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.bundling.summary import ExportReport

WritePictures = Callable[..., list[Path]]

ALPHA = 0.4  # which two good pictures allow


def export(
    source: CheckpointSource,
    good: list[Path],
    out: Path,
    *,
    tell: Callable[[str], None] = print,
    **options: Any,
) -> ExportReport:
    return export_bundle(source, good, [], out, ExportOptions(**options), tell=tell, quiet=True)
