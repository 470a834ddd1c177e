"""Changes manifests as somebody would who knows how they are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.strict_model import sealing_digest


def rewrite_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a bundle's manifest and brings its sizes and its digest in line with that."""
    file = path / MANIFEST
    manifest = json.loads(file.read_bytes())
    change(manifest)
    if manifest.get("sizes"):
        manifest["sizes"] = {
            name: (path / name).stat().st_size if (path / name).is_file() else 0
            for name in manifest["files"]
        }
    if manifest.get("digest"):
        manifest["digest"] = sealing_digest(manifest)
    file.write_text(json.dumps(manifest))
