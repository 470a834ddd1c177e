"""Every alert condition that one server can tell of itself, as Prometheus' rules have it.

The rules stand in `deploy/prometheus/rules`, over all servers of a line. What they need of others,
such as whether a server is there at all, and the budgets of a line are Prometheus' alone. A test
holds both together: the same figures make the same conditions hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from service.observing.status import cases
from service.observing.status.readings import Found, Labels, Readings

Severity = Literal["critical", "warning"]

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on which somebody should act.

    Attributes:
        name: of the alert.
        severity: `critical`: parts pass uninspected, or soon will.
        for_s: how long it must hold until it is an alarm.
        labels: names of the labels that tell one case of it from another.
        text: says what holds, by its labels and `value`, or `percent` for a share.
        find: the cases that hold now, with the value of each.
    """

    name: str
    severity: Severity
    for_s: float
    labels: Labels
    text: str
    find: Callable[[Readings], Found]

    def sentence(self, labels: Labels, value: float) -> str:
        """The text for one case."""
        named = dict(zip(self.labels, labels, strict=True))
        return self.text.format(**named, value=value, percent=100 * value)


_MODEL = ("model",)
_VERSION = ("model", "version")
_STREAM = ("model", "station")

CONDITIONS = (
    Condition(
        "TaktModelNotReady",
        "critical",
        2 * _MINUTE_S,
        _VERSION,
        "Version {version} of {model}, the active one, is not ready; its pictures get 503.",
        cases.active_not_ready,
    ),
    Condition(
        "TaktEngineFailed",
        "critical",
        0,
        _MODEL,
        "Pictures of {model} with an error instead of a verdict within 5 minutes: {value:.0f}.",
        cases.engine_failed,
    ),
    Condition(
        "TaktPicturesRefused",
        "critical",
        _MINUTE_S,
        ("model", "outcome"),
        "{percent:.0f} % of the pictures for {model} are refused ({outcome}): more come than can "
        "be answered in time, or than there is memory for.",
        cases.refused,
    ),
    Condition(
        "TaktPicturesExpired",
        "critical",
        _MINUTE_S,
        ("model", "outcome"),
        "{percent:.0f} % of the pictures for {model} are not answered within their timeout.",
        cases.expired,
    ),
    Condition(
        "TaktVersionNotReady",
        "warning",
        10 * _MINUTE_S,
        _VERSION,
        "Version {version} of {model} is not ready. Another one is active, but nobody can "
        "activate this one or go back to it.",
        cases.other_not_ready,
    ),
    Condition(
        "TaktModelDoubtful",
        "warning",
        5 * _MINUTE_S,
        (*_VERSION, "finding"),
        "The self-test of version {version} of {model}, which inspects, found {finding}.",
        cases.doubtful,
    ),
    Condition(
        "TaktEngineReplaced",
        "warning",
        0,
        ("model", "reason"),
        "Engines of {model} were out of service ({reason}) and replaced within 15 minutes.",
        cases.engine_replaced,
    ),
    Condition(
        "TaktEngineMissing",
        "warning",
        5 * _MINUTE_S,
        _VERSION,
        "Engines that version {version} of {model} lacks: {value:.0f}.",
        cases.engine_missing,
    ),
    Condition(
        "TaktEngineThreadsLost",
        "warning",
        5 * _MINUTE_S,
        (),
        "Threads that hang in engines: {value:.0f}. At three the server ends, to be started anew.",
        cases.threads_lost,
    ),
    Condition(
        "TaktCountingErrors",
        "warning",
        0,
        _MODEL,
        "Outcomes of {model} that could not be counted within 15 minutes: {value:.0f}.",
        cases.counting_errors,
    ),
    Condition(
        "TaktRejectRateJump",
        "warning",
        2 * _MINUTE_S,
        _MODEL,
        "{model} has rejected {percent:.0f} % of the last 15 minutes' pictures, far more than in "
        "the 24 hours before.",
        cases.reject_rate_jump,
    ),
    Condition(
        "TaktRejectRateHigh",
        "warning",
        2 * _MINUTE_S,
        _MODEL,
        "{model} has rejected {percent:.0f} % of the last 15 minutes' pictures, more than three "
        "times the share of good parts that its thresholds promise to reject.",
        cases.reject_rate_high,
    ),
    Condition(
        "TaktCameraChanged",
        "warning",
        0,
        _STREAM,
        "Pictures of {model} at station {station} are not any more like those of its calibration: "
        "camera or light have changed.",
        cases.camera_changed,
    ),
    Condition(
        "TaktMoreDefects",
        "warning",
        0,
        _STREAM,
        "Scores of {model} at station {station} have risen, and its pictures are as usual "
        "otherwise: there are more defects.",
        cases.more_defects,
    ),
    Condition(
        "TaktPromiseBroken",
        "warning",
        0,
        _MODEL,
        "{model} rejects more parts than its thresholds promise to reject of good ones.",
        cases.promise_broken,
    ),
    Condition(
        "TaktCameraSilent",
        "warning",
        _MINUTE_S,
        _MODEL,
        "Minutes since the last picture of {model}: {value:.0f}, though there were some before.",
        cases.camera_silent,
    ),
    Condition(
        "TaktPicturesUnreadable",
        "warning",
        2 * _MINUTE_S,
        _MODEL,
        "{percent:.0f} % of the pictures for {model} are broken, of a foreign format or too large.",
        cases.unreadable,
    ),
    Condition(
        "TaktQueueSaturated",
        "warning",
        2 * _MINUTE_S,
        _MODEL,
        "The queue of {model} is {percent:.0f} % full. When it is full, pictures are refused.",
        cases.queue_saturated,
    ),
    Condition(
        "TaktPictureMemoryNearLimit",
        "warning",
        5 * _MINUTE_S,
        (),
        "Pictures take {percent:.0f} % of their memory. When it is used up, they are refused.",
        cases.picture_memory,
    ),
    Condition(
        "TaktFramesDropped",
        "warning",
        10 * _MINUTE_S,
        _MODEL,
        "{percent:.0f} % of the frames for {model} are replaced by newer ones, unseen.",
        cases.frames_dropped,
    ),
    Condition(
        "TaktConnectionsRefused",
        "warning",
        2 * _MINUTE_S,
        (),
        "Connections refused within 5 minutes: {value:.0f}. As many are open as may be.",
        cases.connections_refused,
    ),
    Condition(
        "TaktRepositoryAway",
        "warning",
        15 * _MINUTE_S,
        (),
        "The URL that bundles come from cannot be read. What came until now is served.",
        cases.repository_away,
    ),
    Condition(
        "TaktRepositoryRefuses",
        "warning",
        15 * _MINUTE_S,
        (),
        "Versions, or decisions for one, that are at the URL of the bundles and not taken: "
        "{value:.0f}.",
        cases.repository_refuses,
    ),
    Condition(
        "TaktRecordAway",
        "warning",
        5 * _MINUTE_S,
        (),
        "The record's database takes nothing. Inspections go on, and wait to be stored.",
        cases.record_away,
    ),
    Condition(
        "TaktRecordNewer",
        "warning",
        0,
        (),
        "Nothing is recorded: a newer release of Takt has brought the record's tables up to date, "
        "and this one does not know them. Inspections go on.",
        cases.record_newer,
    ),
    Condition(
        "TaktRecordLosesInspections",
        "warning",
        0,
        (),
        "Inspections of the last 15 minutes that the record lacks: {value:.0f}.",
        cases.inspections_lost,
    ),
    Condition(
        "TaktRecordLosesPictures",
        "warning",
        0,
        (),
        "Pictures of the last 15 minutes that the record lacks: {value:.0f}.",
        cases.pictures_lost,
    ),
    Condition(
        "TaktRecordClockDoubted",
        "warning",
        0,
        (),
        "The host's clock may be wrong, so nothing is removed from the record for its age. Set it "
        "right; if it is, say so with `takt records clock --right`.",
        cases.record_clock_doubted,
    ),
    Condition(
        "TaktOutletLosesAnswers",
        "warning",
        0,
        ("outlet",),
        "Answers of the last 15 minutes that did not reach the outlet {outlet}: {value:.0f}.",
        cases.outlet_loses_answers,
    ),
    Condition(
        "TaktOutletAway",
        "warning",
        5 * _MINUTE_S,
        ("outlet",),
        "The broker or the URL of the outlet {outlet} takes nothing. Verdicts wait on the disk, "
        "within a bound.",
        cases.outlet_away,
    ),
    Condition(
        "TaktStationDown",
        "warning",
        _MINUTE_S,
        ("station",),
        "Station {station} is silent or takes no part, and its gate rejects all. Its page in the "
        "console says why.",
        cases.station_down,
    ),
    Condition(
        "TaktAuditNotStored",
        "warning",
        0,
        (),
        "Changes that the audit log lacks: {value:.0f}. The server's log has them.",
        cases.audit_not_stored,
    ),
    Condition(
        "TaktAuditBroken",
        "warning",
        0,
        (),
        "The audit log is not as it was written: entries were changed, cut off or put in. The "
        "server's log and `takt audit verify` say which.",
        cases.audit_broken,
    ),
)
"""The gravest first."""

OF_PROMETHEUS = {
    "TaktNoServer": "whether a server is there is seen from outside",
    "TaktServerDown": "whether a server is there is seen from outside",
    "TaktReplicaDown": "whether a server is there is seen from outside",
    "TaktMemoryNearLimit": "the limit is the line's, and stands in its rules",
    "TaktLatencyOverBudget": "the budget is the line's, and stands in its rules",
}
"""The alerts that no server can tell of itself, and why."""
