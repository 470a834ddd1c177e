"""`takt msa folder`: repeated placements of parts in a folder, judged by a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from takt.headings import with_options
from takt_export.commands.options import FOLDER, QUIET, plain_errors, threads
from takt_msa.commands.outputs import OUTPUTS, StudyOutputs


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("folder", type=FOLDER)
@click.option(
    "--engine",
    default="onnxruntime",
    help="What runs the bundle: onnxruntime or openvino for its graph, or a variant's name.",
)
@with_options(*OUTPUTS)
@threads("Of the engine.")
@QUIET
@plain_errors
def folder(
    bundle: Path,
    folder: Path,
    engine: str,
    report: Path | None,
    json_file: Path | None,
    threads: int,
    quiet: bool,
) -> None:
    """Judge the placements in FOLDER with a bundle, and analyse its verdicts.

    FOLDER holds good/PART/PICTURE and defect/PART/PICTURE, or good/PART_TRIAL.png and
    defect/PART_TRIAL.png: each picture one placement of the part. A file that repeats another is no
    placement; it is found and counted once.
    """
    from datetime import UTC, datetime

    from takt.core.bundles.bundle import load_bundle
    from takt.core.pictures.postprocess import Criteria
    from takt_export.evaluation.deployed import deployed_beside
    from takt_export.evaluation.inspectors import LocalInspector
    from takt_msa.analysis import StudyContext, StudyFact
    from takt_msa.sources.folder import read_placements
    from takt_msa.sources.judging import judged_study

    outputs = StudyOutputs(report, json_file)
    outputs.check()
    loaded = load_bundle(bundle)
    manifest = loaded.manifest
    title = f"{manifest.name}, version {manifest.version}"
    deployed = deployed_beside(loaded)
    placed = read_placements(folder, frozenset(loaded.calibration.seen.tolist()))
    criteria = Criteria(threshold=deployed.image, pixel_threshold=deployed.pixel)
    with LocalInspector(
        loaded, threads=threads, criteria=criteria, engine=engine, undecided=deployed.undecided
    ) as inspector:
        study = judged_study(placed, inspector, title, deployed.image, quiet=quiet)
    context = StudyContext(
        title=title,
        source=f"pictures in {folder}, judged by this process on {engine}",
        analysed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=(
            StudyFact("bundle", str(loaded.path)),
            StudyFact("digest", manifest.digest or "none"),
            StudyFact("model", f"{manifest.family}, {manifest.variant}"),
            StudyFact("threshold", f"{deployed.image:.6g} ({deployed.image_from})"),
        ),
    )
    outputs.tell(study, context)
