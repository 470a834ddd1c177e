"""Model card: the facts on a bundle as Markdown, for those who decide whether to serve it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from takt.core.bundles.bearing import Bearing
from takt.core.bundles.bundle import Bundle
from takt.core.bundles.card import CARD
from takt.core.bundles.files import write_atomically
from takt.core.bundles.findings import Prices
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.next_lot import NextLot
from takt.core.bundles.signing.provenance import Provenance
from takt.core.bundles.taught import JUDGEMENTS, TaughtRecord
from takt.core.bundles.variant import Variant
from takt_export.wording import (
    NO_DECISION,
    drift_text,
    number,
    price_advice,
    price_rows,
    resize_text,
    roi_text,
    share,
    tiles_text,
)

_FACTS_HEAD = ("what", "value")
_SIZES_HEAD = ("pixels across", "found")
_VARIANTS_HEAD = (
    *("variant", "engine", "precision", "score drift", "map drift", "verdicts turned"),
    *("image AUROC", "images/s", "kept in higher precision"),
)


def card(manifest: Manifest) -> str:
    """Card of a bundle in Markdown, with a newline at its end."""
    sections = (
        _model(manifest),
        _thresholds(manifest),
        _taught(manifest.taught),
        _self_test(manifest),
        _drift(manifest),
        _variants(manifest.variants),
        _notes(manifest),
        _provenance(manifest.provenance),
        _versions(manifest),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def write_card(bundle: Bundle) -> Path:
    """Write a bundle's card into its folder, in place of a former one.

    Returns:
        File of the card.

    Raises:
        OSError: the folder cannot be written to.
    """
    path = bundle.path / CARD
    write_atomically(path, card(bundle.manifest).encode())
    return path


def renew_card(bundle: Bundle, tell: Callable[[str], None]) -> None:
    """Write the card of a bundle that is complete without it; where that cannot be, tell so."""
    try:
        write_card(bundle)
    except OSError as error:
        tell(
            f"warning: its card cannot be written ({error.strerror}); once it can, do so by `takt "
            f"card --write {quote(str(bundle.path))}`"
        )


def _model(manifest: Manifest) -> list[str]:
    rows = [
        ("model", f"{manifest.family}, {manifest.variant}"),
        ("trained with", manifest.framework),
        ("steps of the fit", _known(manifest.fit.steps)),
        ("good pictures that the fit saw", _known(manifest.fit.pictures)),
        ("image AUROC of the fit on made-up defects", _known(manifest.fit.auroc, "{:.3f}")),
        ("bundle made", manifest.created_at),
        ("input", _input(manifest)),
        ("map", f"{manifest.map.width} x {manifest.map.height}"),
        ("largest batch", str(manifest.max_batch_size or "any")),
        ("region of interest", roi_text(manifest)),
        ("tiles", tiles_text(manifest)),
    ]
    return [
        f"# {_plain(manifest.name)}, version {_plain(manifest.version)}",
        "",
        "Written by `takt card` from the bundle's manifest; where they differ, the manifest holds.",
        "",
        *_table(_FACTS_HEAD, rows),
    ]


def _known(value: float | None, form: str = "{}") -> str | None:
    return None if value is None else form.format(value)


def _input(manifest: Manifest) -> str:
    spec = manifest.preprocess
    crop, cropped = spec.crop, ""
    if crop is not None:
        cropped = f", of which {crop.width} x {crop.height} from {crop.x}, {crop.y} on"
    reduced = "; large JPEGs are decoded reduced" if spec.reduced_decode else ""
    return f"{spec.width} x {spec.height}, resized by {spec.resize}{cropped}{reduced}"


def _thresholds(manifest: Manifest) -> list[str]:
    found, trained = manifest.thresholds, manifest.trained_thresholds
    rows = [
        ("of a picture's score", f"{found.image:.6g}"),
        ("of a map's value", f"{found.pixel:.6g}"),
        ("found by", found.method),
        (
            "good pictures that may be refused",
            None if found.alpha is None else f"{found.alpha:.2%}",
        ),
        (
            "of those, proven",
            None if found.proven_rate is None else f"at most {found.proven_rate:.2%}",
        ),
        ("good pictures behind them", str(found.good_count)),
        ("defective pictures behind them", str(found.defect_count)),
        ("found anew", found.found_at),
        (
            "those of the training",
            None if trained is None else f"score {trained.image:.6g}, map {trained.pixel:.6g}",
        ),
    ]
    return [
        "## Thresholds",
        "",
        "Those of the bundle; a server may have been told others, which `thresholds.json` keeps.",
        "",
        *_table(_FACTS_HEAD, rows),
        *_bullets(found.notes),
    ]


def _taught(taught: TaughtRecord | None) -> list[str]:
    if taught is None:
        return []
    compared = taught.defects if taught.compared is None else taught.compared
    heart = taught.defects - compared
    kinds = {name or "no kind named": str(count) for name, count in taught.kinds.items()}
    rows = [
        ("version", "of the judged defects", "by the bank alone"),
        (
            f"{taught.base}",
            share(taught.found_before, compared),
            share(taught.bank_found_before, taught.defects),
        ),
        ("this one", share(taught.found, taught.defects), share(taught.bank_found, taught.defects)),
    ]
    return [
        "## Taught",
        "",
        f"Version {taught.base} was taught by {taught.defects} judged defects ({_pairs(kinds)}); "
        f"{taught.good} pictures judged good only showed what turns. `{JUDGEMENTS}` has each "
        "judgement.",
        "This version finds each judged defect by what has not seen it."
        + (
            f" Version {taught.base} was taught with {heart} of them, and is asked of the others."
            if heart
            else ""
        ),
        "",
        *_table(rows[0], rows[1:]),
    ]


def _self_test(manifest: Manifest) -> list[str]:
    tested = manifest.self_test
    if tested is None:
        return [
            "## Self-test",
            "",
            "None was made: the bundle is from before there was one. `takt calibrate` makes it.",
        ]
    rows = [(str(one.side_px), share(one.found, one.defects)) for one in tested.sizes]
    return [
        "## Self-test",
        "",
        f"On {tested.pictures} good pictures with made-up defects, at the threshold, it "
        f"{_plain(tested.text)}.",
        "Made-up defects are no real ones: a model that finds them may miss others.",
        *_bears(tested.bears),
        *(
            ["", f"{NO_DECISION[0].upper()}{NO_DECISION[1:]}."]
            if manifest.thresholds.undecided
            else []
        ),
        *_bullets([f"**{one.code}**: {one.text}; {one.remedy}" for one in tested.findings]),
        *([""] if rows else []),
        *(_table(_SIZES_HEAD, rows) if rows else ()),
        *_next_lot(tested.next_lot),
        *_priced(tested.prices),
    ]


def _next_lot(known: NextLot | None) -> list[str]:
    if known is None:
        return []
    return ["", f"The next lot: {_plain(known.text)}."]


def _priced(prices: Prices | None) -> list[str]:
    if prices is None:
        return []
    head, *rows = price_rows(prices)
    advice = price_advice(prices)
    return [
        "",
        "What other false-reject rates would cost and find, on the pictures that were at hand; the "
        "star is at the one in force:",
        "",
        *_table(head, rows),
        *(["", f"{advice[0].upper()}{advice[1:]}."] if advice else []),
    ]


def _bears(bears: Bearing | None) -> list[str]:
    if bears is None:
        return []
    return [
        "",
        f"Moved as a line does it, it bears: {_plain(bears.text)}.",
        *([] if bears.warning is None else _bullets([f"**bears little**: {bears.warning}"])),
    ]


def _drift(manifest: Manifest) -> list[str]:
    resized = resize_text(manifest)
    return [
        "## Drift of the reference graph",
        "",
        f"Largest differences: {_plain(drift_text(manifest))}. An engine serves it at "
        f"{manifest.tolerance:g} at most, on the golden inputs.",
        *([] if resized is None else ["", f"The way to the input: {_plain(resized)}."]),
    ]


def _variants(variants: Sequence[Variant]) -> list[str]:
    if not variants:
        return ["## Variants", "", "None: the reference graph only."]
    rows = [_variant(variant) for variant in variants]
    bound = [one for one in variants if one.built_for]
    return [
        "## Variants",
        "",
        "Each passed the drift gate: it answers close to the reference graph. Score drift is "
        "the mean difference,",
        "in spans from the median of good scores to the threshold; map drift the root mean square, "
        "in standard",
        "deviations of maps. Images/s: one picture at a time, on the host of the export.",
        "",
        *_table(_VARIANTS_HEAD, rows),
        *_bullets([f"{one.name} runs on this only: {_pairs(one.built_for)}" for one in bound]),
        *_bullets(
            [
                f"{one.name} was made {one.created_at} with {_pairs(one.made_with)}"
                for one in variants
            ]
        ),
    ]


def _variant(variant: Variant) -> tuple[str, ...]:
    drift = variant.drift
    auroc = number(drift.image_auroc)
    if drift.image_auroc is not None and drift.reference_auroc is not None:
        auroc = f"{auroc} (reference {number(drift.reference_auroc)})"
    engine = variant.engine if variant.provider == "cpu" else variant.provider
    return (
        variant.name,
        engine,
        variant.precision,
        f"{drift.score_spans:.4f}",
        f"{drift.map_spans:.4f}",
        share(drift.turned, drift.pictures),
        auroc,
        "-" if variant.images_per_s is None else f"{variant.images_per_s:.1f}",
        ", ".join(variant.kept) or "-",
    )


def _notes(manifest: Manifest) -> list[str]:
    return ["## Notes", *_bullets(manifest.notes)] if manifest.notes else []


def _provenance(origin: Provenance | None) -> list[str]:
    if origin is None:
        return []
    pictures = {
        "good pictures": origin.good,
        "defective pictures": origin.defects,
        "good pictures of the last calibration": origin.calibrated_on,
    }
    rows = [(name, f"{found.count}, `{found.digest}`") for name, found in pictures.items() if found]
    rows += [("file of the model", f"`{digest}`") for digest in origin.files]
    rows += [("host", origin.host), ("system", origin.system)]
    return [
        "## Where it comes from",
        "",
        "Files by their SHA-256; pictures by that of the sorted list of theirs, one a line.",
        "",
        *_table(_FACTS_HEAD, rows),
    ]


def _versions(manifest: Manifest) -> list[str]:
    rows = sorted(manifest.made_with.items())
    return ["## Made with", "", *_table(("package", "version"), rows)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    """Lines of a table; a row that lacks a value is left out."""
    for row in (head, ["---"] * len(head), *rows):
        cells = [_plain(cell) for cell in row if cell is not None]
        if len(cells) == len(head):
            yield f"| {' | '.join(cells)} |"


def _bullets(lines: Sequence[str]) -> list[str]:
    """A list after an empty line; nothing for no items."""
    return ["", *(f"- {_plain(line)}" for line in lines)] if lines else []


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _plain(text: str) -> str:
    """Text on one line, without characters that end a cell or begin a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
