"""The form of a Dinomaly of which its graph is written."""

from __future__ import annotations

from takt_export.bundling.rewrite import erf_gelu, rewritten_transformer, written_out_attention
from takt_models.dinomaly.detector import Dinomaly


def _rewritten(model: Dinomaly) -> Dinomaly:
    return rewritten_transformer(model, (erf_gelu, written_out_attention))


REWRITTEN = _rewritten
