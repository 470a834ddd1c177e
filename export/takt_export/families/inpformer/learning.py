"""How `takt learn` fits an INP-Former."""

from __future__ import annotations

from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.learning.family import FamilyLearning, FitRequest, reader
from takt_export.learning.sizing import sized_inpformer
from takt_export.learning.stages import Stages
from takt_export.synthetic.inputs import reader_with_defects
from takt_models.checkpoints.own import save_checkpoint
from takt_models.fit.inpformer.fit import fit_inpformer
from takt_models.fit.inpformer.options import InpFormerOptions


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
            part=request.pictures.grouped.groups.number,
            digests=request.pictures.digests,
            spoil=reader_with_defects(preprocess_of(encoder.recipe)),
            quiet=request.quiet,
        )
    facts = request.facts(
        fitted.model.config,
        fitted.seen,
        fitted.steps,
        encoder=encoder.name,
        auroc=fitted.auroc,
        **encoder.recipe.facts(),
    )
    save_checkpoint(request.out, fitted.model, facts, fitted.out_of_fold)


LEARNING = FamilyLearning(fit_inpformer_to, calibration=InpFormerOptions.calibration)
