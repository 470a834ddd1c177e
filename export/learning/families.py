"""The fit of each family, from good pictures to its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.bundling.checkpoint_source import preprocess_of
from export.learning.look import GoodPictures
from export.learning.search.bank_choice import BankChoice
from export.learning.size_request import USUAL_SIZE, SizeRequest
from export.learning.sizing import sized_efficientad, sized_inpformer, sized_patchcore
from export.learning.stages import Stages
from export.pictures import read_fit_input, read_picture
from export.synthetic.inputs import reader_with_defects
from export.versions import package_versions
from models.checkpoints.facts import InputRecipe, SizeRange
from models.checkpoints.own import FitFacts, load_teacher, save_checkpoint
from models.fit.device import Compute
from models.fit.efficientad.fit import fit_efficientad
from models.fit.inpformer.encoders import LITE0
from models.fit.inpformer.fit import fit_inpformer
from models.fit.inpformer.options import InpFormerOptions
from models.fit.patchcore.fit import fit_patchcore
from models.fit.patchcore.options import PatchCoreOptions
from service.core.domain import Image


@dataclass(frozen=True)
class FitRequest:
    """What a fit is asked for.

    Attributes:
        pictures: good pictures.
        out: checkpoint to write; an interrupted fit leaves its state beside it.
        minutes: time for a family that trains; its own default if None.
        seed: seed of everything random.
        compute: device and precision.
        quiet: show no bar.
        encoder: of a PatchCore or an INP-Former, as `encoder_of` takes it.
        sizing: what was asked about the size of the input.
        bank: what a search has chosen for a PatchCore, which goes before encoder and sizing; None
            without a search.
    """

    pictures: GoodPictures
    out: Path
    minutes: float | None
    seed: int
    compute: Compute
    quiet: bool
    encoder: str = LITE0
    sizing: SizeRequest = USUAL_SIZE
    bank: BankChoice | None = None

    def options(self) -> dict[str, Any]:
        """The options that all families share."""
        return {"seed": self.seed} | ({} if self.minutes is None else {"minutes": self.minutes})


def fit_patchcore_to(request: FitRequest, stages: Stages) -> None:
    """Fills the bank of a PatchCore, and writes its checkpoint."""
    options = PatchCoreOptions(seed=request.seed)
    paths = request.pictures.paths
    if request.bank is None:
        encoder = sized_patchcore(
            request.sizing, paths, request.encoder, options.bank_size, request.compute, stages.tell
        )
    else:
        options = replace(options, bank_size=request.bank.bank_size)
        encoder = request.bank.encoder()
    fitted = fit_patchcore(
        [paths],
        stages.counted(reader(encoder.recipe), len(paths)),
        encoder,
        options,
        request.compute,
        part=request.pictures.parts.number,
        quiet=True,
    )
    facts = _facts(
        request,
        fitted.model.config,
        fitted.seen,
        fitted.steps,
        preprocess=encoder.recipe.resize,
        encoder=encoder.name,
    )
    save_checkpoint(request.out, fitted.model, facts, fitted.out_of_fold)


def fit_efficientad_to(request: FitRequest, stages: Stages) -> None:
    """Fits an EfficientAD-S on the shipped teacher, and writes its checkpoint."""
    teacher = load_teacher()
    options = sized_efficientad(
        request.sizing,
        request.pictures.paths,
        teacher,
        request.options(),
        request.compute,
        stages.tell,
    )
    recipe = InputRecipe(options.width, options.height, "area")
    with stages.others_bar():
        fitted = fit_efficientad(
            request.pictures.paths,
            (),
            reader(recipe),
            read_picture,
            teacher,
            request.out,
            options,
            request.compute,
            part=request.pictures.parts.number,
            spoil=reader_with_defects(preprocess_of(recipe)),
            quiet=request.quiet,
        )
    facts = _facts(request, fitted.model.config, fitted.seen, fitted.steps, auroc=fitted.auroc)
    save_checkpoint(request.out, fitted.model, facts, fitted.out_of_fold)


def fit_inpformer_to(request: FitRequest, stages: Stages) -> None:
    """Fits an INP-Former, and writes its checkpoint."""
    encoder = sized_inpformer(
        request.sizing, request.pictures.paths, request.encoder, request.compute, stages.tell
    )
    with stages.others_bar():
        fitted = fit_inpformer(
            [request.pictures.paths],
            reader(encoder.recipe),
            encoder,
            request.out,
            InpFormerOptions(**request.options()),
            request.compute,
            part=request.pictures.parts.number,
            spoil=reader_with_defects(preprocess_of(encoder.recipe)),
            quiet=request.quiet,
        )
    recipe = encoder.recipe
    facts = _facts(
        request,
        fitted.model.config,
        fitted.seen,
        fitted.steps,
        preprocess=recipe.resize,
        resized=recipe.width if recipe.crop else None,
        encoder=encoder.name,
        auroc=fitted.auroc,
    )
    save_checkpoint(request.out, fitted.model, facts, fitted.out_of_fold)


FITS: Mapping[str, Callable[[FitRequest, Stages], None]] = {
    "patchcore": fit_patchcore_to,
    "efficientad": fit_efficientad_to,
    "inpformer": fit_inpformer_to,
}


def reader(recipe: InputRecipe) -> Callable[[Path], Image]:
    """A function that reads a picture exactly as the service will."""
    spec = preprocess_of(recipe)
    return lambda path: read_fit_input(path, spec)


def _facts(
    request: FitRequest, config: Any, seen: tuple[Path, ...], steps: int, **further: Any
) -> FitFacts:
    digests = tuple(request.pictures.digests[path] for path in seen)
    sizes = SizeRange.of((width, height) for width, height, _ in request.pictures.sizes)
    versions = package_versions()
    return FitFacts(config, digests, steps, request.seed, versions, sizes=sizes, **further)
