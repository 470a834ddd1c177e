"""The form of a Dinomaly of which its graph is written."""

from __future__ import annotations

from takt_export.bundling.rewrite import erf_gelu, rewritten_transformer, written_out_attention
from takt_models.dinomaly.detector import Dinomaly


def rewritten_dinomaly(model: Dinomaly) -> Dinomaly:
    """A Dinomaly as its graph is to compute it."""
    return rewritten_transformer(model, (erf_gelu, written_out_attention))
