"""Every alert condition that one server can tell of itself, as Prometheus' rules have it.

The rules stand in `deploy/prometheus/rules`, over all servers of a line. What they need of others,
such as whether a server is there at all, and the budgets of a line are Prometheus' alone. A test
holds both together: the same figures make the same conditions hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from takt.observing.status import cases
from takt.observing.status.cases import Find
from takt.observing.status.readings import Labels

Severity = Literal["critical", "warning", "info"]

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on which somebody should act.

    Attributes:
        name: of the alert.
        text: says what holds, by its labels and `value`, or `percent` for a share.
        find: the cases that hold now, with the value of each.
        labels: names of the labels that tell one case of it from another.
        for_s: how long it must hold until it is an alarm.
        severity: `critical`: parts pass uninspected, or soon will. `info`: nobody need be called.
    """

    name: str
    text: str
    find: Find
    labels: Labels = ()
    for_s: float = 0
    severity: Severity = "warning"

    def sentence(self, labels: Labels, value: float) -> str:
        """The text for one case."""
        named = dict(zip(self.labels, labels, strict=True))
        return self.text.format(**named, value=value, percent=100 * value)


_MODEL = ("model",)
_VERSION = ("model", "version")
_STREAM = ("model", "station")
_OUTLET = ("outlet",)
_STATION = ("station",)
_LOST = {"outcome": "lost"}

CONDITIONS = (
    Condition(
        "TaktNoActiveVersion",
        "No model has an active version; pictures that name no version get 503.",
        cases.down("takt_model_active"),
        for_s=2 * _MINUTE_S,
        severity="critical",
    ),
    Condition(
        "TaktModelNotReady",
        "Version {version} of {model}, the active one, is not ready; its pictures get 503.",
        partial(cases.not_ready, active=True),
        labels=_VERSION,
        for_s=2 * _MINUTE_S,
        severity="critical",
    ),
    Condition(
        "TaktEngineFailed",
        "Pictures of {model} with an error instead of a verdict within 5 minutes: {value:.0f}.",
        cases.risen("takt_requests_total", 5, _MODEL, {"outcome": cases.ENGINE_ERRORS}),
        labels=_MODEL,
        severity="critical",
    ),
    Condition(
        "TaktPicturesRefused",
        "{percent:.0f} % of the pictures for {model} are refused ({outcome}): more come than can "
        "be answered in time, or than there is memory for.",
        cases.unanswered("queue_full", "memory_full", "too_many_uploads"),
        labels=("model", "outcome"),
        for_s=_MINUTE_S,
        severity="critical",
    ),
    Condition(
        "TaktPicturesExpired",
        "{percent:.0f} % of the pictures for {model} are not answered within their timeout.",
        cases.unanswered("deadline_exceeded"),
        labels=("model", "outcome"),
        for_s=_MINUTE_S,
        severity="critical",
    ),
    Condition(
        "TaktVersionNotReady",
        "Version {version} of {model} is not ready. Another one is active, but nobody can "
        "activate this one or go back to it.",
        partial(cases.not_ready, active=False),
        labels=_VERSION,
        for_s=10 * _MINUTE_S,
    ),
    Condition(
        "TaktModelFilesSpoilt",
        "The files of version {version} of {model} are gone, or have changed and are refused. What "
        "was loaded of them answers on, until the next start.",
        cases.shown("takt_model_spoilt", _VERSION),
        labels=_VERSION,
        for_s=2 * _MINUTE_S,
    ),
    Condition(
        "TaktModelDoubtful",
        "The self-test of version {version} of {model}, which inspects, found {finding}.",
        cases.of_active("takt_model_finding", "finding"),
        labels=(*_VERSION, "finding"),
        for_s=5 * _MINUTE_S,
    ),
    Condition(
        "TaktEngineReplaced",
        "Engines of {model} were out of service ({reason}) and replaced within 15 minutes.",
        cases.risen("takt_engine_restarts_total", 15, ("model", "reason")),
        labels=("model", "reason"),
    ),
    Condition(
        "TaktEngineMissing",
        "Engines that version {version} of {model} lacks: {value:.0f}.",
        cases.engine_missing,
        labels=_VERSION,
        for_s=5 * _MINUTE_S,
    ),
    Condition(
        "TaktEngineThreadsLost",
        "Threads that hang in engines: {value:.0f}. At three the server ends, to be started anew.",
        cases.shown("takt_engine_threads_lost"),
        for_s=5 * _MINUTE_S,
    ),
    Condition(
        "TaktCountingErrors",
        "Outcomes of {model} that could not be counted within 15 minutes: {value:.0f}.",
        cases.risen("takt_counting_errors_total", 15, _MODEL),
        labels=_MODEL,
    ),
    Condition(
        "TaktRejectRateJump",
        "{model} has rejected {percent:.0f} % of the last 15 minutes' pictures, far more than in "
        "the 24 hours before.",
        cases.reject_rate_jump,
        labels=_MODEL,
        for_s=2 * _MINUTE_S,
    ),
    Condition(
        "TaktRejectRateHigh",
        "{model} has rejected {percent:.0f} % of the last 15 minutes' pictures, more than three "
        "times the share of good parts that its thresholds promise to reject.",
        cases.reject_rate_high,
        labels=_MODEL,
        for_s=2 * _MINUTE_S,
    ),
    Condition(
        "TaktCameraChanged",
        "Pictures of {model} at station {station} are not any more like those of its calibration: "
        "camera or light have changed.",
        cases.shown("takt_watch_alarm", _STREAM, {"cause": "camera"}),
        labels=_STREAM,
    ),
    Condition(
        "TaktMoreDefects",
        "Scores of {model} at station {station} have risen, and its pictures are as usual "
        "otherwise: there are more defects.",
        cases.shown("takt_watch_alarm", _STREAM, {"cause": "defects"}),
        labels=_STREAM,
    ),
    Condition(
        "TaktPromiseBroken",
        "{model} rejects more parts than its thresholds promise to reject of good ones.",
        cases.shown("takt_watch_alarm", _MODEL, {"cause": "promise"}),
        labels=_MODEL,
    ),
    Condition(
        "TaktCameraSilent",
        "Minutes since the last picture of {model}: {value:.0f}, though there were some before.",
        cases.camera_silent,
        labels=_MODEL,
        for_s=_MINUTE_S,
    ),
    Condition(
        "TaktPicturesUnreadable",
        "{percent:.0f} % of the pictures for {model} are broken, of a foreign format or too large.",
        cases.unreadable,
        labels=_MODEL,
        for_s=2 * _MINUTE_S,
    ),
    Condition(
        "TaktQueueSaturated",
        "The queue of {model} is {percent:.0f} % full. When it is full, pictures are refused.",
        cases.queue_saturated,
        labels=_MODEL,
        for_s=2 * _MINUTE_S,
    ),
    Condition(
        "TaktPictureMemoryNearLimit",
        "Pictures take {percent:.0f} % of their memory. When it is used up, they are refused.",
        cases.picture_memory,
        for_s=5 * _MINUTE_S,
    ),
    Condition(
        "TaktFramesDropped",
        "{percent:.0f} % of the frames for {model} are replaced by newer ones, unseen.",
        cases.frames_dropped,
        labels=_MODEL,
        for_s=10 * _MINUTE_S,
    ),
    Condition(
        "TaktConnectionsRefused",
        "Connections refused within 5 minutes: {value:.0f}. As many are open as may be.",
        cases.risen("takt_connections_closed_total", 5, where={"reason": cases.NO_CONNECTION}),
        for_s=2 * _MINUTE_S,
    ),
    Condition(
        "TaktRepositoryAway",
        "The URL that bundles come from cannot be read. What came until now is served.",
        cases.down("takt_repository_up"),
        for_s=15 * _MINUTE_S,
    ),
    Condition(
        "TaktRepositoryRefuses",
        "Versions, or decisions for one, that are at the URL of the bundles and not taken: "
        "{value:.0f}.",
        cases.shown("takt_repository_refused"),
        for_s=15 * _MINUTE_S,
    ),
    Condition(
        "TaktRecordAway",
        "The record's database takes nothing. Inspections go on, and wait to be stored.",
        cases.record_away,
        for_s=5 * _MINUTE_S,
    ),
    Condition(
        "TaktRecordNewer",
        "Nothing is recorded: a newer release of Takt has brought the record's tables up to date, "
        "and this one does not know them. Inspections go on.",
        cases.record_newer,
    ),
    Condition(
        "TaktRecordLosesInspections",
        "Inspections of the last 15 minutes that the record lacks: {value:.0f}.",
        cases.risen("takt_record_inspections_total", 15, where=_LOST),
    ),
    Condition(
        "TaktRecordLosesPictures",
        "Pictures of the last 15 minutes that the record lacks: {value:.0f}.",
        cases.risen("takt_record_pictures_total", 15, where=_LOST),
    ),
    Condition(
        "TaktRecordClockDoubted",
        "The host's clock may be wrong, so nothing is removed from the record for its age. Set it "
        "right; if it is, say so with `takt records clock --right`.",
        cases.shown("takt_record_clock_doubted"),
    ),
    Condition(
        "TaktOutletLosesAnswers",
        "Answers of the last 15 minutes that did not reach the outlet {outlet}: {value:.0f}.",
        cases.outlet_loses_answers,
        labels=_OUTLET,
    ),
    Condition(
        "TaktOutletAway",
        "The other end of the outlet {outlet} takes nothing. Verdicts wait on the disk, "
        "within a bound.",
        cases.down("takt_outlet_up", _OUTLET),
        labels=_OUTLET,
        for_s=5 * _MINUTE_S,
    ),
    Condition(
        "TaktStationDown",
        "Station {station} is silent or takes no part, and its gate rejects all. Its page in the "
        "console says why.",
        cases.down("takt_station_up", _STATION),
        labels=_STATION,
        for_s=_MINUTE_S,
    ),
    Condition(
        "TaktAuditNotStored",
        "Changes that the audit log lacks: {value:.0f}. The server's log has them.",
        cases.audit_not_stored,
    ),
    Condition(
        "TaktAuditBroken",
        "The audit log is not as it was written: entries were changed, cut off or put in. The "
        "server's log and `takt audit verify` say which.",
        cases.shown("takt_audit_broken"),
    ),
    Condition(
        "TaktModelNotWatched",
        "Nobody is told if camera or light change for {model}: version {version}, which inspects, "
        "is not watched ({reason}).",
        cases.of_active("takt_model_unwatched", "reason"),
        labels=(*_VERSION, "reason"),
        severity="info",
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
