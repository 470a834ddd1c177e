"""The graph that a view was saved for: thresholds are of its scale, and not of another one's."""

from __future__ import annotations

from service.core.bundles.bundle import MODEL, Bundle
from service.multiview.recipe import RecipeView


def graph_of(bundle: Bundle) -> str:
    """Digest of a version's graph."""
    return bundle.manifest.files.get(MODEL, "")


def is_outdated(view: RecipeView, bundle: Bundle) -> bool:
    """Whether the version has got another graph in its folder than the view was saved for."""
    return graph_of(bundle) != view.graph
