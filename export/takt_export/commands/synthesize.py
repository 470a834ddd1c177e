"""`takt synthesize`: a labelled data set with made defects, for a line without real ones."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from takt_export.commands.options import (
    COUNT,
    FILE,
    FOLDER,
    QUIET,
    SEED,
    SHOW_DEFAULTS,
    plain_errors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from takt_export.synthetic.data_set import GoodFolder
    from takt_export.synthetic.defects import DefectKind

NAMES = ("cutpaste", "scar", "perlin")


def _kinds(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, ...]:
    """Read names separated by commas: each once, in the usual order."""
    asked = {name.strip() for name in text.split(",")}
    if unknown := sorted(asked - set(NAMES)):
        raise click.BadParameter(f"{', '.join(unknown)!r} is none of {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in asked)


@click.command(context_settings=SHOW_DEFAULTS)
@click.option(
    "--good",
    type=FOLDER,
    required=True,
    help="Pictures of good parts, best those that no fit has seen.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The data set, a folder that does not exist yet.",
)
@click.option(
    "--kinds",
    callback=_kinds,
    default=",".join(NAMES),
    help="Kinds of defects, separated by commas.",
)
@click.option("--count", type=COUNT, default=100, help="Altered pictures of each kind.")
@SEED
@click.option(
    "--texture",
    type=FOLDER,
    show_default="the altered picture itself",
    help="Pictures of anything else, to take the textures of the kind perlin from.",
)
@click.option(
    "--leave-out",
    type=FILE,
    metavar="CHECKPOINT",
    help="Leave out the good pictures that the fit of this checkpoint of `takt fit` has seen.",
)
@QUIET
@plain_errors
def synthesize(
    good: Path,
    out: Path,
    kinds: tuple[DefectKind, ...],
    count: int,
    seed: int,
    texture: Path | None,
    leave_out: Path | None,
    quiet: bool,
) -> None:
    """Put made defects into pictures of good parts, for `takt eval`.

    Half of the pictures stay as they are; the others are altered. Such defects are not real: the
    figures tell a model that fails from one that may work, and rank nothing. A model looks better
    on good pictures that its fit has seen: name its checkpoint with --leave-out, or give pictures
    that it has not.
    """
    from takt_export.calibration.camera_files import file_depth
    from takt_export.calibration.pictures_to_use import distinct
    from takt_export.pictures import list_pictures
    from takt_export.synthetic.data_set import NOTICE, SyntheticOptions, TextureFolder
    from takt_export.synthetic.data_set import synthesize as write_data_set
    from takt_export.versions import package_versions

    lent = list_pictures(texture) if texture else ()
    chosen = _unseen(good, distinct(list_pictures(good), click.echo), leave_out)
    facts = write_data_set(
        chosen,
        TextureFolder(texture, lent, file_depth(lent, _of_textures)) if texture else None,
        out,
        SyntheticOptions(kinds, count, seed, file_depth([*chosen.digests], click.echo)),
        package_versions(),
        quiet=quiet,
    )
    click.echo(
        f"{out}: {facts.good} good pictures as they were, {facts.sources} others altered into "
        + ", ".join(f"{number} {name}" for name, number in facts.defects.items())
        + f"\n{NOTICE}\nnext: takt eval REPOSITORY/NAME/VERSION --data {quote(str(out))}"
    )


def _of_textures(line: str) -> None:
    click.echo(f"of --texture: {line}")


def _unseen(good: Path, digests: Mapping[Path, str], checkpoint: Path | None) -> GoodFolder:
    """The good pictures that the checkpoint's fit has not seen."""
    from takt_export.errors import SyntheticError
    from takt_export.synthetic.data_set import GoodFolder
    from takt_models.checkpoints.formats import load_checkpoint

    if checkpoint is None:
        click.echo(
            "warning: nothing says which of these pictures a fit has seen; a model looks better on "
            "those than it is: name its checkpoint with --leave-out, or give others as --good"
        )
        return GoodFolder(good, digests)
    seen = frozenset(load_checkpoint((checkpoint,)).seen)
    if not seen:
        raise SyntheticError(
            f"{checkpoint} does not say which pictures its fit has seen; give --good a folder of "
            "others, and leave --leave-out out"
        )
    unseen = {path: digest for path, digest in digests.items() if digest not in seen}
    if not unseen:
        raise SyntheticError(
            f"the fit of {checkpoint} has seen all {len(digests)} good pictures; give --good a "
            "folder that has others"
        )
    left_out = len(digests) - len(unseen)
    click.echo(f"{len(unseen)} pictures that the fit never saw; {left_out} seen ones left out")
    return GoodFolder(good, unseen, left_out)
