from __future__ import annotations

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import DeployedThresholds, read_overrides
from takt_export.evaluation.deployed import AppliedThresholds, deployed_beside


def test_each_threshold_beside_a_bundle_tells_where_it_comes_from(bundle: Bundle) -> None:
    assert deployed_beside(bundle) == AppliedThresholds(0.5, 0.5, "by hand", "by hand")
    DeployedThresholds(bundle, read_overrides(bundle.path)).change(
        image=None, pixel=0.3, reason=None
    )
    set_here = "set at the line (thresholds.json)"
    assert deployed_beside(bundle) == AppliedThresholds(0.5, 0.3, "by hand", set_here)
