"""The report that an export ends with."""

from __future__ import annotations

from dataclasses import dataclass

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.witnesses import anomalous
from takt_export.bundling.graph import GraphFacts
from takt_export.calibration.self_test import finding_lines, notes_beside
from takt_export.wording import (
    NO_DECISION,
    defects_text,
    drift_text,
    guarantee_text,
    price_advice,
    price_lines,
    resize_text,
    roi_text,
    tiles_text,
)


@dataclass(frozen=True)
class ExportReport:
    """A bundle that was written.

    Attributes:
        bundle: as the service loads it.
        graph: size and storage of the weights.
    """

    bundle: Bundle
    graph: GraphFacts

    def text(self) -> str:
        """The report for people: size, drift, thresholds and what they promise."""
        manifest = self.bundle.manifest
        thresholds = manifest.thresholds
        told = {
            "drift": drift_text(manifest),
            "resize": resize_text(manifest),
            "roi": roi_text(manifest),
            "tiles": tiles_text(manifest),
        }
        lines = [
            f"graph       {self.graph.size_bytes / 1e6:.1f} MB{self._halved()}",
            *(f"{name:<12}{text}" for name, text in told.items() if text is not None),
            f"thresholds  score {thresholds.image:.6g}, map {thresholds.pixel:.6g}, "
            + self._origin(),
            self._promise(),
        ]
        notes = notes_beside(manifest.self_test, (*manifest.notes, *thresholds.notes))
        lines += [f"note        {note}" for note in notes]
        if manifest.self_test is not None:
            lines.append(f"self-test   {manifest.self_test.text}")
            if (bears := manifest.self_test.bears) is not None:
                lines.append(f"bears       {bears.text}")
            lines += finding_lines(manifest.self_test)
            if (further := manifest.self_test.next_lot) is not None:
                lines.append(f"next lot    {further.text}")
            prices = manifest.self_test.prices
            lines += price_lines(prices)
            if prices is not None and (advice := price_advice(prices)) is not None:
                lines.append(f"advice      {advice}")
        if thresholds.undecided:
            lines.append(f"no decision {NO_DECISION}")
        if (found := defects_text(self.bundle)) is not None:
            lines.append(f"defects     {found}")
        if self.bundle.signed_by is not None:
            lines.append(f"signed      by the key {self.bundle.signed_by}")
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
        thresholds, calibration = self.bundle.manifest.thresholds, self.bundle.calibration
        if thresholds.alpha is None:
            rejected = anomalous(thresholds, calibration.good_score, calibration.good_peak).sum()
            return (
                f"guarantee   none: of the {calibration.good_score.size} good pictures, "
                f"{rejected} are called anomalous"
            )
        seen_known = bool(calibration.seen.size)
        promise = guarantee_text(
            thresholds.alpha,
            "these",
            seen_known=seen_known,
            promise=thresholds.promise,
        )
        return f"guarantee   {promise}"
