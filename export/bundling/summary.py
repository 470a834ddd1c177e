"""What an export says when it is done."""

from __future__ import annotations

from dataclasses import dataclass

from export.bundling.graph import GraphFacts
from export.wording import drift_text, resize_text, roi_text, tiles_text
from service.bundles.bundle import Bundle


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        bundle: as it was written.
        graph: size and storage of the weights.
        good_count: good pictures that the training had not seen.
        good_rejected: those of them that score above the threshold.
        defect_count: defective pictures that were given.
        seen_known: whether anything says which pictures the training has seen.
        defects_found: those that score above the threshold.
    """

    bundle: Bundle
    graph: GraphFacts
    good_count: int
    good_rejected: int
    defect_count: int
    seen_known: bool
    defects_found: int

    def text(self) -> str:
        """The report for people: size, drift, thresholds and what they promise."""
        manifest = self.bundle.manifest
        thresholds = manifest.thresholds
        lines = [
            f"graph       {self.graph.size_bytes / 1e6:.1f} MB{self._halved()}",
            f"drift       {drift_text(manifest)}",
            *([f"resize      {changed}"] if (changed := resize_text(manifest)) else []),
            *([f"roi         {counted}"] if (counted := roi_text(manifest)) else []),
            *([f"tiles       {tiled}"] if (tiled := tiles_text(manifest)) else []),
            f"thresholds  score {thresholds.image:.6g}, map {thresholds.pixel:.6g}, "
            + self._origin(),
            self._promise(),
        ]
        lines += [f"note        {note}" for note in (*manifest.notes, *thresholds.notes)]
        if self.defect_count:
            lines.append(
                f"defects     {self.defects_found} of {self.defect_count} score above the threshold"
            )
        name = f"model {manifest.name}, version {manifest.version}"
        return "\n".join([*lines, f"bundle      {self.bundle.path}: {name}"])

    def _halved(self) -> str:
        if not self.graph.halved_weights:
            return ""
        share = self.graph.halved_weights / self.graph.weights
        return f", {share:.1%} of the weights in float16 without loss"

    def _origin(self) -> str:
        thresholds = self.bundle.manifest.thresholds
        if thresholds.alpha is None:
            return thresholds.method
        return f"from {thresholds.good_count} good pictures"

    def _promise(self) -> str:
        alpha = self.bundle.manifest.thresholds.alpha
        if alpha is None:
            return (
                f"guarantee   none: of the {self.good_count} good pictures, "
                f"{self.good_rejected} score above the threshold"
            )
        percent = f"{100 * alpha:.3g} %"
        return (
            "guarantee   a further good picture like these is called anomalous with a probability "
            f"of at most {percent}, and shows a region with at most {percent}"
            + ("" if self.seen_known else ", if the training has seen none of them")
        )
