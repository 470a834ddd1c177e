"""`takt eval`: a bundle on labelled pictures, as a table, as JSON and as a report."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt_export.commands.options import (
    FILE,
    FOLDER,
    QUIET,
    SHOW_DEFAULTS,
    check_outputs,
    plain_errors,
    threads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from takt.core.bundles.bundle import Bundle
    from takt_export.evaluation.deployed import AppliedThresholds
    from takt_export.evaluation.inspectors import Inspector


@click.command("eval", context_settings=SHOW_DEFAULTS)
@click.argument("bundle", type=FOLDER)
@click.option(
    "--data",
    type=FOLDER,
    required=True,
    help="Labelled pictures of one kind of part: MVTec AD's layout (test/good, test/<defect>, "
    "ground_truth/<defect>), VisA's, Real-IAD's, or good and bad.",
)
@click.option("--url", help="Ask this server, which runs the bundle, instead of this process.")
@click.option(
    "--engine",
    default="onnxruntime",
    help="What runs the bundle, without --url: onnxruntime or openvino for its graph, or a "
    "variant's name, such as openvino-int8.",
)
@click.option("--json", "json_file", type=FILE, help="Also write everything here, for programs.")
@click.option("--report", type=FILE, help="Also write a report with pictures here: one HTML file.")
@click.option(
    "--pixel-side",
    type=click.IntRange(min=0, max=4096),
    default=256,
    help="Size in pixels at which maps and masks are compared; 0 for each picture's own.",
)
@threads("Of the engine, without --url.")
@QUIET
@plain_errors
def evaluate(
    bundle: Path,
    data: Path,
    url: str | None,
    engine: str,
    json_file: Path | None,
    report: Path | None,
    pixel_side: int,
    threads: int,
    quiet: bool,
) -> None:
    """Measure a bundle on labelled pictures: ranking, verdicts, places of defects and latency."""
    from datetime import UTC, datetime
    from functools import lru_cache, partial

    from takt.core.bundles.bundle import load_bundle
    from takt.core.pictures.roi import roi_on_map
    from takt_export.evaluation.data_sets import read_data_set
    from takt_export.evaluation.evaluate import evaluate as evaluate_on
    from takt_export.evaluation.record import EvaluationContext, to_json
    from takt_export.pictures import check_pictures
    from takt_export.report.evaluation_table import evaluation_table
    from takt_export.versions import package_versions
    from takt_export.wording import encodable

    loaded = load_bundle(bundle)
    manifest = loaded.manifest
    data_set = read_data_set(data)
    check_outputs(json_file, report)
    check_pictures(path for one in data_set.samples for path in (one.path, *one.masks))
    with ExitStack() as to_close:
        inspector, deployed = to_close.enter_context(_inspector(url, loaded, engine, threads))
        context = EvaluationContext(
            bundle=loaded,
            thresholds=deployed,
            data=data_set,
            through=f"the server at {url}" if url else f"this process, on {_runner(engine)}",
            evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=package_versions(),
        )
        result = evaluate_on(
            inspector,
            data_set,
            model=manifest.name,
            version=manifest.version,
            pixel_side=pixel_side,
            prices=None if manifest.self_test is None else manifest.self_test.prices,
            deployed=deployed,
            inside=lru_cache(maxsize=8)(partial(roi_on_map, loaded)),
            quiet=quiet,
        )
        click.echo(encodable(evaluation_table(result)))
        if json_file is not None:
            json_file.write_text(encodable(to_json(result, context)), encoding="utf-8")
        if report is not None:
            from takt_export.report.cases import draw_cases
            from takt_export.report.page import report_html

            cases = draw_cases(inspector, result, context)
            page = report_html(result, context, cases)
            report.write_text(encodable(page), encoding="utf-8")
            click.echo(encodable(f"report              {report}"))


@contextmanager
def _inspector(
    url: str | None, bundle: Bundle, engine: str, threads: int
) -> Iterator[tuple[Inspector, AppliedThresholds]]:
    """An inspector, and the thresholds that it applies."""
    from takt.core.pictures.postprocess import Criteria
    from takt_export.evaluation.deployed import deployed_beside
    from takt_export.evaluation.inspectors import LocalInspector, check_same_model

    if url is None:
        deployed = deployed_beside(bundle)
        criteria = Criteria(threshold=deployed.image, pixel_threshold=deployed.pixel)
        with LocalInspector(
            bundle,
            threads=threads,
            criteria=criteria,
            engine=engine,
            undecided=deployed.undecided,
        ) as local:
            yield local, deployed
        return
    from takt_export.evaluation.http_inspector import HttpInspector

    with HttpInspector(url, bundle.manifest) as remote:
        deployed = remote.deployed()
        check_same_model(remote, bundle)
        yield remote, deployed


def _runner(engine: str) -> str:
    return "ONNX Runtime's CPU provider" if engine == "onnxruntime" else engine
