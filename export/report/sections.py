"""The report's figures: headline, charts and verdicts of each group of defects, and by defect."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sklearn.metrics import precision_recall_curve, roc_curve

from export.evaluation.evaluate import Evaluation
from export.evaluation.metrics import Figures, Judged, wilson
from export.report.charts import Point, curve, histogram
from export.report.elements import heading, table
from export.report.tables import SYNTHETIC_NOTICE, compared_at
from export.wording import number


def group_section(group: Figures, result: Evaluation) -> str:
    """Headline figures, charts and the verdicts of one group of defects."""
    members = [
        one
        for one in result.pictures
        if one.sample.defect is not None and one.sample.synthetic == group.synthetic
    ]
    good = [one for one in result.pictures if one.sample.defect is None]
    name = "Figures on synthetic defects" if group.synthetic else "Figures"
    return "\n".join(
        [
            f"<section>\n{heading(2, name, group.synthetic)}",
            _cards(group, result),
            f'<div class="row">{_histogram(group, good, members, result)}'
            f"{_confusion(group, result)}</div>",
            f'<div class="row curves">{_ranking(group)}',
            _curves(group, good, members, result) if group.image is not None else "",
            "</div>",
            "</section>",
        ]
    )


def _cards(group: Figures, result: Evaluation) -> str:
    cards = []
    if group.image is not None:
        cards.append(("Image AUROC", f"{group.image.auroc:.3f}", "1 is perfect, 0.5 a guess"))
    counts = group.confusion
    if counts.recall is not None:
        cards.append(
            (
                "Defective pictures found",
                f"{counts.recall:.1%}",
                f"{counts.true_positive} of {group.defective}",
            )
        )
    if counts.false_reject_rate is not None:
        cards.append(
            (
                "Good pictures rejected",
                f"{counts.false_reject_rate:.1%}",
                f"{counts.false_positive} of {group.good}",
            )
        )
    if group.pixel is not None:
        where = compared_at(result.pixel_side)
        cards += [
            ("AUPRO, up to 30 %", f"{group.pixel.aupro_30:.3f}", where),
            ("Pixel AUROC", f"{group.pixel.auroc:.3f}", where),
        ]
    inner = "".join(
        f'<div class="card"><dt>{escape(label)}</dt><dd>{escape(value)}</dd>'
        f"<dd>{escape(hint)}</dd></div>"
        for label, value, hint in cards
    )
    return f'<dl class="cards">{inner}</dl>'


def _histogram(
    group: Figures, good: Sequence[Judged], members: Sequence[Judged], result: Evaluation
) -> str:
    chart = histogram(
        [one.score for one in good],
        [one.score for one in members],
        result.threshold,
        _titled("Scores of good and of defective pictures", group),
    )
    caption = (
        "Pictures per bar. To the right of the dashed line a picture is called anomalous: good "
        "ones there are falsely rejected, defective ones to its left are missed."
    )
    if chart.cut:
        caption += " The last bar also holds everything above it."
    return (
        f"<figure>{heading(3, 'Scores', group.synthetic)}{chart.svg}"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _confusion(group: Figures, result: Evaluation) -> str:
    counts = group.confusion
    rows = [
        ("good", counts.true_negative, counts.false_positive),
        ("defective", counts.false_negative, counts.true_positive),
    ]
    shares = [
        ("found (recall)", counts.true_positive, group.defective),
        ("falsely rejected", counts.false_positive, group.good),
        ("precision", counts.true_positive, counts.true_positive + counts.false_positive),
    ]
    measured = [
        [name, f"{part} of {whole}", f"{part / whole:.1%}", _interval(part, whole)]
        for name, part, whole in shares
        if whole
    ]
    return (
        f"<div>{heading(3, 'Verdicts at the threshold', group.synthetic)}"
        + table(
            f"Threshold {result.threshold:.6g}",
            ["", "called normal", "called anomalous"],
            [[name, str(normal), str(anomalous)] for name, normal, anomalous in rows],
        )
        + table(
            "With 95 % confidence the share on many such pictures lies in the interval",
            ["", "pictures", "share", "interval"],
            measured,
        )
        + "</div>"
    )


def _ranking(group: Figures) -> str:
    rows = []
    if group.image is not None:
        image = group.image
        rows += [
            ["image AUROC", number(image.auroc)],
            ["average precision", number(image.average_precision)],
            [f"F1-max, from a score of {image.f1_max_threshold:.6g}", number(image.f1_max)],
        ]
    if group.pixel is not None:
        pixel = group.pixel
        rows += [
            ["pixel AUROC", number(pixel.auroc)],
            ["pixel average precision", number(pixel.average_precision)],
            ["AUPRO, up to 30 %", number(pixel.aupro_30)],
            ["AUPRO, up to 5 %", number(pixel.aupro_5)],
            ["masks, marked regions", f"{group.masks}, {pixel.regions}"],
        ]
    if not rows:
        return ""
    name = heading(3, "Whatever the threshold", group.synthetic)
    return f"<div>{name}{table('1 is perfect', ['', 'figure'], rows)}</div>"


def _curves(
    group: Figures, good: Sequence[Judged], members: Sequence[Judged], result: Evaluation
) -> str:
    labels = [0] * len(good) + [1] * len(members)
    scores = [one.score for one in (*good, *members)]
    false_rates, true_rates, _ = roc_curve(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    counts = group.confusion
    rejected, found = counts.false_reject_rate or 0.0, counts.recall or 0.0
    at_threshold = f"At the threshold {found:.1%} are found and {rejected:.1%} falsely rejected."
    roc = curve(
        false_rates.tolist(),
        true_rates.tolist(),
        Point(rejected, found, at_threshold),
        title=_titled("ROC", group),
        x_name="good pictures rejected",
        y_name="defective pictures found",
    )
    # From the highest threshold down, so that recall grows.
    pr = curve(
        recall[::-1].tolist(),
        precision[::-1].tolist(),
        Point(
            found,
            1.0 if counts.precision is None else counts.precision,
            f"At the threshold the precision is {number(counts.precision)}, "
            f"the recall {found:.4f}.",
        ),
        title=_titled("Precision over recall", group),
        x_name="defective pictures found (recall)",
        y_name="precision",
        steps=True,
    )
    return (
        f"<figure>{heading(3, 'ROC', group.synthetic)}{roc}"
        f"<figcaption>The ring is the deployed threshold. {at_threshold}</figcaption></figure>"
        f"<figure>{heading(3, 'Precision over recall', group.synthetic)}{pr}"
        "<figcaption>Precision depends on the share of defective pictures in the data set, which "
        "on a line is much smaller.</figcaption></figure>"
    )


def by_defect_section(result: Evaluation) -> str:
    """A table of each defect against all good pictures; nothing without defects."""
    if not result.by_defect:
        return ""
    rows = [
        [
            one.defects + (" (synthetic)" if one.synthetic else ""),
            str(one.defective),
            f"{one.confusion.true_positive} ({one.confusion.recall or 0:.0%})",
            *(
                [number(one.image.auroc), number(one.image.average_precision)]
                if one.image
                else ["-", "-"]
            ),
            *([number(one.pixel.auroc), number(one.pixel.aupro_30)] if one.pixel else ["-", "-"]),
        ]
        for one in result.by_defect
    ]
    head = ["defect", "pictures", "found", "image AUROC", "AP", "pixel AUROC", "AUPRO 30 %"]
    caption = "Each defect against all good pictures"
    if result.synthetic is not None:
        caption += f"; synthetic: {SYNTHETIC_NOTICE}"
    synthetic = result.synthetic is not None and result.real is None
    return f"<section>{heading(2, 'By defect', synthetic)}{table(caption, head, rows)}</section>"


def _titled(text: str, group: Figures) -> str:
    return f"{text} (synthetic defects: an estimate)" if group.synthetic else text


def _interval(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{low:.1%} to {high:.1%}"
