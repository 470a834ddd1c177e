"""What `takt learn` says in the end: what was learned, what it promises, where it is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.findings import Finding, SelfTest
from takt.core.domain import Json
from takt_export.calibration.findings import advice
from takt_export.calibration.self_test import finding_lines, notes_beside
from takt_export.learning.learn import Learned
from takt_export.learning.place import Place
from takt_export.learning.running import Running
from takt_export.wording import (
    NO_DECISION,
    defects_text,
    guarantee_text,
    price_advice,
    price_lines,
)

WIDTH = 100
_FEW = 0.05
"""A false-reject rate above which the summary says what it means for the line."""


def summary(
    learned: Learned,
    place: Place,
    told: Sequence[str],
    seconds: Mapping[str, float],
    running: Running | None,
    url: str,
    compared: Sequence[str] = (),
) -> str:
    """The summary for people.

    Args:
        learned: the new version.
        place: where it is.
        told: warnings of the way.
        seconds: that each stage took.
        running: the server that has it, if any.
        url: of that server.
        compared: lines that compare it with the version that it goes on from.
    """
    manifest = learned.bundle.manifest
    thresholds = manifest.thresholds
    signer = learned.bundle.signed_by
    defects = defects_text(learned.bundle)
    lines = [
        f"{manifest.name}, version {manifest.version} ({manifest.family})",
        entry("learned", f"from {learned.pictures.text()}"),
        *([entry("search", learned.searched.text())] if learned.searched else []),
        entry("thresholds", f"score {thresholds.image:.6g}, map {thresholds.pixel:.6g}"),
        entry("promise", promise(learned.bundle)),
        *(entry("compared", line) for line in compared),
        *_tested(manifest.self_test),
        *([entry("no decision", NO_DECISION)] if thresholds.undecided else []),
        *([entry("defects", defects)] if defects else []),
        *(entry("note", note) for note in _notes(learned.bundle, told)),
        *([entry("signed", f"by the key {signer}")] if signer else []),
        entry("bundle", str(place.path)),
        *standing(place, running, url, manifest.self_test),
        entry("ready in", _times(seconds)),
    ]
    return "\n".join(lines)


def facts(learned: Learned, told: Sequence[str], compared: Sequence[str] = ()) -> Json:
    """The summary for programs, without where it is served.

    Args:
        learned: the new version.
        told: warnings of the way.
        compared: lines that compare it with the version that it goes on from.
    """
    manifest = learned.bundle.manifest
    tested = manifest.self_test
    return {
        "model": manifest.name,
        "version": manifest.version,
        "family": manifest.family,
        "pictures": learned.pictures.text(),
        "threshold": manifest.thresholds.image,
        "promise": promise(learned.bundle),
        "self_test": tested.text if tested else None,
        "bears": tested.bears.text if tested and tested.bears else None,
        "findings": [f"{one.text}; {one.remedy}" for one in tested.findings] if tested else [],
        "advice": advice(
            manifest.family, manifest.thresholds.alpha, tested.findings if tested else ()
        ),
        "compared": list(compared),
        "notes": _notes(learned.bundle, told),
        "signed_by": learned.bundle.signed_by,
        **({"search": learned.searched.plain()} if learned.searched else {}),
    }


def promise(bundle: Bundle) -> str:
    """What the thresholds promise, and what that means where the pictures are few."""
    thresholds = bundle.manifest.thresholds
    if thresholds.alpha is None:
        return "none"
    pictures = f"these {thresholds.good_count}"
    text = guarantee_text(
        thresholds.alpha,
        pictures,
        seen_known=bool(bundle.calibration.seen.size),
        promise=thresholds.promise,
    )
    if thresholds.alpha > _FEW:
        text += (
            f". Of 100 good parts up to {round(100 * thresholds.alpha)} may be rejected on average"
        )
        tested = bundle.manifest.self_test
        if tested is None or not tested.says("few_pictures"):
            text += ": learn from more pictures as soon as there are some"
    return text


def standing(
    place: Place, running: Running | None, url: str, tested: SelfTest | None = None
) -> Iterator[str]:
    """Whether a server answers with the version, or how to make one do so.

    Args:
        place: of the version.
        running: the server that has it, if any.
        url: of that server.
        tested: the version's self-test, which may say not to serve it.
    """
    model, version = place.model, place.version
    activate = f"curl -s -X POST {url}/v1/models/{model}/versions/{version}/activate"
    grave = tested.grave if tested else None
    match running:
        case Running("active"):
            yield entry("active", f"answers at {url}/v1/models/{model}/inspect")
        case Running("waiting", active=None) if grave:
            yield entry("waiting", f"loaded at {url}, where {_nobody_answers(grave)}")
            yield f"{'activate':<12}{activate}"
        case Running("waiting", active=active):
            yield entry("waiting", f"loaded at {url}, where version {active} stays active")
            yield f"{'activate':<12}{activate}"
        case Running("failed", reason=reason):
            yield entry("failed", f"{url} cannot serve it: {reason}")
        case Running():
            yield entry("absent", f"{url} has not loaded it yet; see {url}/health/ready")
        case None if place.active is None:
            yield f"{'serve it':<12}takt serve --repository {quote(str(place.repository))}"
            if grave:
                yield entry("waiting", f"then {_nobody_answers(grave)}")
                yield f"{'activate':<12}{activate}"
        case None:
            yield entry("waiting", f"version {place.active} stays active")
            yield f"{'activate':<12}{activate}"


def entry(name: str, text: str) -> str:
    """A line of the summary, wrapped; further lines of a text stay whole, to be copied."""
    first, *further = text.split("\n")
    wrapped = textwrap.fill(
        first,
        WIDTH,
        initial_indent=f"{name:<12}" if name else "",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([wrapped, *(f"{'':<12}{line}" for line in further)])


def _nobody_answers(grave: Finding) -> str:
    return (
        f"no version of the model answers until one is activated, as the self-test of this one "
        f"says not to serve it ({grave.code})"
    )


def _tested(found: SelfTest | None) -> list[str]:
    if found is None:
        return []
    advice = None if found.prices is None else price_advice(found.prices)
    return [
        entry("self-test", found.text),
        *([entry("bears", found.bears.text)] if found.bears else []),
        *(entry("", line) for line in finding_lines(found)),
        *([entry("next lot", found.next_lot.text)] if found.next_lot else []),
        *price_lines(found.prices),
        *([entry("advice", advice)] if advice else []),
    ]


def _notes(bundle: Bundle, told: Sequence[str]) -> list[str]:
    manifest = bundle.manifest
    notes = dict.fromkeys((*manifest.notes, *manifest.thresholds.notes, *told))
    return notes_beside(manifest.self_test, [*notes])


def _times(seconds: Mapping[str, float]) -> str:
    stages = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    return f"{sum(seconds.values()):.0f} s: {stages}"
