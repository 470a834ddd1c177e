"""`takt verify`: whether this host may serve bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt_export.commands.options import (
    DEVICE_ID,
    FILE,
    FOLDER,
    SHOW_DEFAULTS,
    check_outputs,
    plain_errors,
    threads,
)

if TYPE_CHECKING:
    from takt.core.bundles.bundle import Bundle
    from takt.core.bundles.variant import Provider
    from takt.core.engines.base import Engine


@click.command(context_settings=SHOW_DEFAULTS)
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=FOLDER)
@click.option("--json", "json_file", type=FILE, help="Also write the figures here.")
@click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True),
    help="A public key, or a folder of them (*.pem): one of them must have signed each bundle.",
)
@threads("Of ONNX Runtime on the CPU.")
@DEVICE_ID
@plain_errors
def verify(
    bundles: tuple[Path, ...],
    json_file: Path | None,
    key: Path | None,
    threads: int,
    device_id: int,
) -> None:
    """Check bundles: their files, and how far each engine of this host drifts.

    BUNDLE is REPOSITORY/NAME/VERSION, or a folder that holds bundles. The golden inputs run alone
    and together, on the CPU and, where this host has them, on CUDA and TensorRT; each variant on
    the engine that it is for, within bounds of its own. The exit status is 1 if a bundle is
    damaged or, with --key, not signed, an engine drifts beyond the tolerance, or none could run.
    """
    from pydantic import TypeAdapter

    from takt.core.bundles.signing.signature import TrustedKeys
    from takt.core.engines.onnxruntime import OnnxRuntimeEngine
    from takt.core.engines.opener import engine_opener
    from takt.core.engines.options import EngineOptions
    from takt_export.evaluation.verify import Verification
    from takt_export.evaluation.verify import verify as verify_bundles
    from takt_export.report.verification_table import verification_table

    def open_graph(graph: Path, provider: Provider) -> Engine:
        return OnnxRuntimeEngine.open(
            graph, provider=provider, threads=threads, device_id=device_id
        )

    def open_variant(bundle: Bundle, name: str) -> Engine:
        options = EngineOptions(
            engine=name, engine_instances=1, engine_threads=threads, device_id=device_id
        )
        return engine_opener(options)(bundle).engine

    check_outputs(json_file)
    keys = None if key is None else TrustedKeys(key)
    result = verify_bundles(bundles, open_graph, open_variant, keys)
    click.echo(verification_table(result))
    if json_file is not None:
        json_file.write_bytes(TypeAdapter(Verification).dump_json(result, indent=2) + b"\n")
    if not result.ok:
        raise click.exceptions.Exit(1)
