"""How `takt learn` fits an EfficientAD."""

from __future__ import annotations

from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.calibration.camera_files import file_depth
from takt_export.learning.family import FamilyLearning, FitRequest, reader
from takt_export.learning.sizing import sized_efficientad
from takt_export.learning.stages import Stages
from takt_export.pictures import read_picture
from takt_export.synthetic.inputs import reader_with_defects
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.own import load_teacher, save_checkpoint
from takt_models.fit.efficientad.fit import fit_efficientad
from takt_models.fit.efficientad.options import EfficientAdOptions


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
    depth = file_depth(request.pictures.paths, stages.tell)
    recipe = InputRecipe(options.width, options.height, "area", depth=depth)
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
            part=request.pictures.grouped.groups.number,
            digests=request.pictures.digests,
            spoil=reader_with_defects(preprocess_of(recipe)),
            quiet=request.quiet,
        )
    facts = request.facts(
        fitted.model.config, fitted.seen, fitted.steps, auroc=fitted.auroc, **recipe.facts()
    )
    save_checkpoint(request.out, fitted.model, facts, fitted.out_of_fold)


LEARNING = FamilyLearning(fit_efficientad_to, calibration=EfficientAdOptions.calibration)
