from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.manifest import Preprocess
from takt_export.evaluation.data_sets import DataSet, Sample
from takt_export.evaluation.deployed import AppliedThresholds, deployed_beside
from takt_export.evaluation.evaluate import Evaluation, evaluate
from takt_export.evaluation.inspectors import LocalInspector
from takt_export.evaluation.metrics import JudgedPicture
from takt_export.evaluation.record import EvaluationContext
from takt_export.report.cases import EACH, LONGEST, Case, choose_cases, draw_cases
from takt_export.report.page import report_html, wilson_interval
from tests.conftest import MakeBundle

HOSTILE = "<script>alert(\"x\")</script> & 'co'"
VOID = {"meta", "img", "br"}


@dataclasses.dataclass
class Page(HTMLParser):
    """What a browser makes of a page: refuses tags that are not closed in order."""

    text: dataclasses.InitVar[str]
    open: list[str] = dataclasses.field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = dataclasses.field(default_factory=list)
    words: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self, text: str) -> None:
        super().__init__()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def make_report(
    bundle: Bundle, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> Callable[..., tuple[str, Evaluation, tuple[Case, ...]]]:
    """A report on pictures of brightness, a list of levels for each label."""

    def make(
        labels: dict[str, list[int]], *, size: tuple[int, int] = (64, 48), marked: bool = True
    ) -> tuple[str, Evaluation, tuple[Case, ...]]:
        samples = []
        for label, levels in labels.items():
            folder = tmp_path / "data" / label.replace("/", "_")
            folder.mkdir(parents=True)
            for level in levels:
                path = folder / f"{level:03} {HOSTILE.replace('/', '_')}.png"
                path.write_bytes(picture_bytes(level, size=size))
                mask = np.zeros((size[1], size[0]), np.uint8)
                mask[10:30, 20:40] = 255
                mask_path = tmp_path / f"{label.replace('/', '_')}{level}_mask.png"
                cv2.imwrite(str(mask_path), mask)
                masks = (mask_path,) if marked and label != "good" else ()
                samples.append(Sample(path, None if label == "good" else label, masks))
        data = DataSet(tmp_path / "data", "plain", tuple(samples), (f"mind {HOSTILE}",))
        own = bundle.manifest.thresholds
        context = EvaluationContext(
            bundle=bundle,
            thresholds=AppliedThresholds(own.image, own.pixel, HOSTILE, HOSTILE),
            data=data,
            through=HOSTILE,
            evaluated_at="2026-01-01T00:00:00+00:00",
            versions={"takt": HOSTILE},
        )
        with LocalInspector(bundle, threads=1) as inspector:
            result = evaluate(inspector, data, model="parts", version="1", quiet=True)
            cases = draw_cases(inspector, result, context)
        return report_html(result, context, cases), result, cases

    return make


def test_the_page_is_whole_and_loads_nothing(make_report) -> None:
    text, _, cases = make_report({"good": [40, 80, 150], HOSTILE: [60, 200, 250]})
    page = Page(text)
    assert len(page.named("img")) == 2 * len(cases) == 8
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.named("img"))
    assert not {"script", "link", "iframe", "object", "form", "base"} & {t for t, _ in page.tags}
    loaded = {"src", "href", "srcset", "xlink:href", "data", "action", "poster", "background"}
    for tag, attributes in page.tags:
        assert tag == "img" or not loaded & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    without_pictures = re.sub(r'src="data:[^"]*"', "", text)
    assert not re.findall(r"https?:|url\(|@import|//", without_pictures)
    assert "default-src 'none'" in page.named("meta")[2]["content"]


def test_names_are_shown_as_they_are_and_never_as_markup(make_report) -> None:
    text, _, _ = make_report({"good": [40, 80, 150], HOSTILE: [60, 200, 250]})
    page = Page(text)
    words = "".join(page.words)
    # As the threshold's origin, as who inspected, as a note, a version and a defect.
    assert words.count(HOSTILE) >= 5
    assert HOSTILE.replace("/", "_") in words
    assert not any("<script" in (a.get("alt") or "") for a in page.named("p"))


def test_everybody_can_read_it(make_report) -> None:
    text, _, _ = make_report({"good": [40, 80, 150], "dent": [60, 200, 250]})
    page = Page(text)
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == len(page.named("title")) - len(page.named("svg")) == 1
    assert all(image["alt"] for image in page.named("img"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.named("svg"))
    assert all(cell["scope"] in ("row", "col") for cell in page.named("th"))
    assert len(page.named("svg")) == 3  # scores, ROC, precision over recall


def test_the_figures_are_those_of_the_evaluation(make_report) -> None:
    text, result, _ = make_report({"good": [40, 80, 150], "dent": [60, 200, 250]})
    words = " ".join(Page(text).words)
    assert result.real.image.auroc == pytest.approx(7 / 9)
    assert "0.778" in words
    assert "2 of 3" in words
    assert "1 of 3" in words
    assert f"{result.real.pixel.aupro_5:.4f}" in words
    assert "256 × 256" in words
    assert "synthetic" not in words.lower()


def test_synthetic_defects_are_named_at_the_top_and_at_every_heading(make_report) -> None:
    text, result, _ = make_report({"good": [40, 80], "synthetic-perlin": [60, 200]})
    assert result.real is None
    page = Page(text)
    words = " ".join(page.words)
    assert words.index("Synthetic defects.") < words.index("Image AUROC")
    assert "All defects in this data set" in words
    badges = [a for a in page.named("span") if a.get("class") == "badge"]
    # Figures, scores, verdicts, ranking, ROC, precision, by defect, pictures; and both pictures.
    assert len(badges) == 8 + 2
    assert all("synthetic" in svg["aria-label"] for svg in page.named("svg"))


def test_figures_of_real_and_synthetic_defects_stand_apart(make_report) -> None:
    text, _, cases = make_report({"good": [40, 80], "dent": [200], "synthetic-scar": [250, 240]})
    words = " ".join(Page(text).words)
    assert "Some defects in this data set" in words
    assert words.index("Figures") < words.index("Figures on synthetic defects")
    assert "synthetic-scar (synthetic)" in words
    assert {case.judged.sample.defect for case in cases} == {"dent"}


@pytest.mark.parametrize("labels", [{"good": [40, 150]}, {"dent": [60, 200]}])
def test_one_class_alone_makes_a_report(make_report, labels: dict[str, list[int]]) -> None:
    text, _, _ = make_report(labels, marked=False)
    assert len(Page(text).named("svg")) == 1


def test_pictures_are_scaled_down_and_marks_are_drawn(make_report) -> None:
    text, _, cases = make_report({"good": [150], "dent": [60, 200]}, size=(720, 480))
    assert len(text) < 1_000_000
    reject, miss = (
        next(case for case in cases if case.kind == kind) for kind in ("false reject", "miss")
    )
    for case in (reject, miss):
        sizes = {decoded(data).shape for data in (case.picture, case.overlay)}
        assert sizes == {(267, LONGEST, 3)}
        assert base64.b64encode(case.overlay).decode() in text
    assert (reject.outlined, miss.outlined) == (False, True)
    blue, green, red = np.moveaxis(decoded(miss.picture).astype(int), 2, 0)
    rows, columns = np.nonzero(np.minimum(red, blue) - green > 100)
    # The mark is at 20..40, 10..30 of 720 × 480, that is at 11..22, 6..17 of 400 × 267.
    assert 0 <= rows.min() < 6
    assert 17 <= rows.max() < 23
    assert 5 <= columns.min() < 11
    assert 22 <= columns.max() < 28
    assert decoded(reject.picture).std() < 2


def test_a_picture_of_12_bits_is_shown_in_the_levels_that_the_model_sees(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    path = tmp_path / "dent.png"
    cv2.imwrite(str(path), np.full((48, 64), 200 << 4, np.uint16))
    spec = Preprocess(width=32, height=32, resize="area", depth="12")
    bundle = make_bundle(preprocess=spec)
    data = DataSet(tmp_path, "plain", (Sample(path, "dent"),), ())
    context = EvaluationContext(
        bundle=bundle,
        thresholds=deployed_beside(bundle),
        data=data,
        through="this process",
        evaluated_at="2026-01-01T00:00:00+00:00",
        versions={},
    )
    with LocalInspector(bundle, threads=1) as inspector:
        result = evaluate(inspector, data, model="parts", version="1", quiet=True)
        (case,) = draw_cases(inspector, result, context)
    assert case.kind == "hit"
    assert abs(decoded(case.picture).mean() - 200) < 2


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def judged(score: float, defect: str | None = None) -> JudgedPicture:
    return JudgedPicture(Sample(Path(f"{score}.png"), defect), score, score, score > 0.5, 1.0, 1.0)


def test_the_worst_mistakes_and_typical_hits_are_chosen() -> None:
    pictures = [
        *(judged(score / 100, "dent") for score in range(100)),
        *(judged(score / 100) for score in range(0, 100, 2)),
        *(judged(score / 100, "synthetic-scar") for score in (1, 99)),
    ]
    chosen: dict[str, list[float]] = {"miss": [], "false reject": [], "hit": []}
    for kind, one in choose_cases(pictures, synthetic=False):
        chosen[kind].append(one.score)
        assert not one.sample.synthetic
    assert chosen["miss"] == [0.0, 0.01, 0.02, 0.03, 0.04, 0.05]
    assert chosen["false reject"] == [0.98, 0.96, 0.94, 0.92, 0.9, 0.88]
    # Of 49 hits from 0.51 to 0.99.
    assert chosen["hit"] == [0.55, 0.63, 0.71, 0.79, 0.87, 0.95]
    assert len(chosen["hit"]) == EACH
    assert [
        one.score for _, one in choose_cases(pictures, synthetic=True) if one.sample.defect
    ] == [
        0.01,
        0.99,
    ]


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_the_interval_of_a_share_is_wilson_s(
    part: int, whole: int, low: float, high: float
) -> None:
    found = wilson_interval(part, whole)
    assert found == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
