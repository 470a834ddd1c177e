"""`takt verify`: may this host serve these bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.options import FILE, FOLDER, plain_errors

if TYPE_CHECKING:
    from export.evaluation.verify import OpenGraph, OpenVariant
    from service.bundles.bundle import Bundle
    from service.bundles.variant import Provider
    from service.engines.base import Engine


@click.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=FOLDER)
@click.option("--json", "json_file", type=FILE, help="Also write the figures here.")
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default="every core",
    help="Of ONNX Runtime on the CPU.",
)
@click.option(
    "--device-id", type=click.IntRange(min=0), default=0, show_default=True, help="The GPU."
)
@plain_errors
def verify(bundles: tuple[Path, ...], json_file: Path | None, threads: int, device_id: int) -> None:
    """Check bundles: their files, and how far each engine of this host drifts.

    BUNDLE is REPOSITORY/NAME/VERSION, or a folder that holds bundles. The golden inputs run alone
    and together, on the CPU and, where this host has them, on CUDA and TensorRT; each variant on
    the engine that it is for, within bounds of its own. The exit status is 1 if a bundle is
    damaged, an engine drifts beyond the tolerance, or none could run.
    """
    from pydantic import TypeAdapter

    from export.evaluation.verify import Verification
    from export.evaluation.verify import verify as verify_bundles
    from export.report.verification_table import verification_table

    result = verify_bundles(
        bundles, _opener(threads, device_id), _variant_opener(threads, device_id)
    )
    click.echo(verification_table(result))
    if json_file is not None:
        json_file.write_bytes(TypeAdapter(Verification).dump_json(result, indent=2) + b"\n")
    if not result.ok:
        raise click.exceptions.Exit(1)


def _opener(threads: int, device_id: int) -> OpenGraph:
    from service.engines.onnxruntime import OnnxRuntimeEngine

    def open_graph(graph: Path, provider: Provider) -> Engine:
        return OnnxRuntimeEngine.open(
            graph, provider=provider, threads=threads, device_id=device_id
        )

    return open_graph


def _variant_opener(threads: int, device_id: int) -> OpenVariant:
    from service.engines.opener import engine_opener
    from service.settings import Settings

    def open_variant(bundle: Bundle, name: str) -> Engine:
        settings = Settings.model_validate(
            {
                "engine": name,
                "engine_instances": 1,
                "engine_threads": threads,
                "device_id": device_id,
            }
        )
        return engine_opener(settings)(bundle).engine

    return open_variant
