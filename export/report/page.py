"""An evaluation as one HTML file that needs nothing else: to be read, printed and passed on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from export.evaluation.evaluate import Evaluation
from export.evaluation.metrics import Latency
from export.evaluation.record import Circumstances
from export.report.cases import Case, Kind
from export.report.elements import BADGE, data_uri, heading, table
from export.report.sections import by_defect_section, group_section

_CASES: dict[Kind, tuple[str, str]] = {
    "miss": ("Missed", "Defective pictures called normal, those with the lowest scores first."),
    "false reject": (
        "Falsely rejected",
        "Good pictures called anomalous, those with the highest scores first.",
    ),
    "hit": (
        "Found",
        "Defective pictures called anomalous, spread over their scores: typical, not the best.",
    ),
}


def report_html(result: Evaluation, circumstances: Circumstances, cases: Sequence[Case]) -> str:
    """The whole page; it loads nothing, and every name in it is escaped."""
    title = f"{result.model} version {result.version}: evaluation"
    body = [
        _header(result, circumstances),
        *(group_section(group, result) for group in result.groups),
        by_defect_section(result),
        _pictures(cases, result),
        _latency(result),
        _method(result),
        _notes(result),
        _provenance(result, circumstances),
    ]
    style = files("export.report").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _header(result: Evaluation, circumstances: Circumstances) -> str:
    data = circumstances.data
    counts = f"{result.groups[0].good} good"
    if result.real is not None:
        counts += f", {result.real.defective} defective"
    if result.synthetic is not None:
        counts += f", {result.synthetic.defective} synthetic defective"
    alert = ""
    if result.synthetic is not None:
        whose = (
            "All defects in this data set were"
            if result.real is None
            else "Some defects in this data set were"
        )
        alert = (
            f'<p class="alert" role="note"><strong>Synthetic defects.</strong> {whose} drawn on '
            "good pictures by a program. Figures from them are an estimate of how the model might "
            "do on real defects, no measurement; they stand apart and are marked.</p>"
        )
    return (
        f"<header>\n<h1>{escape(result.model)}, version {escape(result.version)}</h1>\n"
        f'<p class="quiet">Evaluated {escape(circumstances.evaluated_at)} on '
        f'<span class="name">{escape(str(data.root))}</span> ({escape(data.layout)} layout; '
        f"{counts} pictures), through {escape(circumstances.through)}.</p>\n{alert}</header>"
    )


def _latency(result: Evaluation) -> str:
    def row(name: str, times: Latency) -> list[str]:
        return [name, *(f"{ms:.1f} ms" for ms in (times.p50_ms, times.p95_ms, times.p99_ms))]

    rows = [row("inside", result.total), row("as the caller sees it", result.wall)]
    caption = f"{len(result.pictures)} pictures, one at a time, after one to warm up"
    return (
        "<section><h2>Latency</h2>" + table(caption, ["", "p50", "p95", "p99"], rows) + "</section>"
    )


def _pictures(cases: Sequence[Case], result: Evaluation) -> str:
    if not cases:
        return ""
    synthetic = result.groups[0].synthetic
    parts = [
        heading(2, "Pictures", synthetic),
        '<p class="quiet">Each picture, with a pink line around what its mask marks, and the same '
        "with the anomaly map on it: clear is normal, green is the pixel threshold, yellow to red "
        "is anomalous; white lines are the regions that are reported.</p>",
    ]
    for kind, (name, explained) in _CASES.items():
        of_kind = [case for case in cases if case.kind == kind]
        if of_kind:
            parts += [
                f'<h3>{name}</h3><p class="quiet">{explained}</p><div class="cases">',
                *(_case(case, result.threshold) for case in of_kind),
                "</div>",
            ]
    return "<section>" + "".join(parts) + "</section>"


def _case(case: Case, threshold: float) -> str:
    label = case.judged.sample.defect or "good"
    verdict = "anomalous" if case.judged.anomalous else "normal"
    marked = "the marked defect outlined" if case.outlined else "nothing is marked"
    told = f"{case.name}: labelled {label}, called {verdict} with score {case.judged.score:.4g}"
    pair = "pair wide" if case.wide else "pair"
    badge = BADGE if case.judged.sample.synthetic else ""
    return (
        f'<figure><div class="{pair}">'
        f'<img alt="{escape(f"{told}; {marked}")}" src="{data_uri(case.picture)}">'
        f'<img alt="{escape(f"the same with its anomaly map; {told}")}" '
        f'src="{data_uri(case.overlay)}"></div>'
        f'<figcaption><span class="name">{escape(case.name)}</span>{badge}<br>'
        f"{escape(label)}; score {case.judged.score:.4g}, threshold {threshold:.4g}"
        "</figcaption></figure>"
    )


def _method(result: Evaluation) -> str:
    size = (
        f"The part of a picture that the model sees is compared at {result.pixel_side} × "
        f"{result.pixel_side} pixels, as most published figures are"
        if result.pixel_side
        else "A picture is compared at its own size"
    )
    terms = [
        (
            "Image AUROC",
            "the probability that a defective picture scores higher than a good one, ties as half",
        ),
        ("Average precision", "the area under precision over recall, by steps"),
        ("F1-max", "the best F1 of any threshold, chosen on these very pictures"),
        (
            "Pixel AUROC, pixel average precision",
            "the same with pixels for pictures. Large defects weigh more than small ones, and as "
            "most pixels are sound, an AUROC near 1 is easy to reach",
        ),
        (
            "AUPRO",
            "the share of each marked region that is found, each region weighing the same, "
            "averaged over false-positive rates of pixels from 0 to 30 % (or 5 %). 1 is perfect",
        ),
    ]
    listed = "".join(f"<dt><strong>{term}</strong></dt><dd>{told}.</dd>" for term, told in terms)
    return (
        f"<section><h2>How the figures are computed</h2><p>{size}: the map is resized bilinearly, "
        "and each pixel is defective if the mask is at its centre. Regions are what is connected "
        "by sides or corners at that size. Good pictures and marked defective ones count; a "
        f"defect without a mask leaves its picture out.</p><dl>{listed}</dl></section>"
    )


def _notes(result: Evaluation) -> str:
    notes = list(result.notes)
    small = min(result.groups[0].good, sum(group.defective for group in result.groups))
    if small < 30:
        notes.append(
            f"only {small} pictures of one kind: the figures may be far off on other pictures"
        )
    notes.append(
        "the figures hold for pictures like these; pictures that the fit or the thresholds have "
        "seen make them too good"
    )
    return (
        "<section><h2>Notes</h2><ul>"
        + "".join(f"<li>{escape(_sentence(note))}</li>" for note in notes)
        + "</ul></section>"
    )


def _provenance(result: Evaluation, circumstances: Circumstances) -> str:
    manifest = circumstances.manifest
    thresholds = manifest.thresholds
    alpha = "" if thresholds.alpha is None else f", α = {thresholds.alpha:g}"
    rows = [
        ("bundle", str(circumstances.bundle.path)),
        ("made", f"{manifest.created_at}, by the framework {manifest.framework}"),
        ("model", f"{manifest.family}, {manifest.variant}"),
        ("input", f"{manifest.preprocess.input_size[1]} × {manifest.preprocess.input_size[0]}"),
        ("map", f"{manifest.map.width} × {manifest.map.height}"),
        ("threshold", f"{result.threshold:.6g} ({circumstances.threshold_from})"),
        (
            "pixel threshold",
            f"{circumstances.pixel_threshold:.6g} ({circumstances.pixel_threshold_from})",
        ),
        (
            "the bundle's own",
            f"{thresholds.image:.6g}, pixels {thresholds.pixel:.6g}; {thresholds.method}{alpha}, "
            f"from {thresholds.good_count} good pictures",
        ),
        ("graph, SHA-256", manifest.files.get("model.onnx", "unknown")),
        ("this host", ", ".join(f"{name} {v}" for name, v in circumstances.versions.items())),
    ]
    inner = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="name">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return (
        "<section><h2>What was evaluated</h2>"
        f'<div class="table"><table class="words"><tbody>{inner}</tbody></table></div></section>'
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
