"""How `takt learn` fits a PatchCore, and adds pictures to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from takt_export.families.patchcore.scaled_head import with_same_head
from takt_export.families.patchcore.teaching import teach_patchcore_to
from takt_export.learning.family import ExtendRequest, Extension, FamilyLearning, FitRequest, reader
from takt_export.learning.look import GoodPictures
from takt_export.learning.sizing import sized_patchcore
from takt_export.learning.stages import Stages
from takt_export.pictures import usual_size
from takt_export.versions import package_versions
from takt_models.checkpoints.facts import SizeRange
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.fit.patchcore.extend import Extended, extend_patchcore
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.patchcore.turning import turned_text
from takt_models.patchcore.detector import PatchCore


def fit_patchcore_to(request: FitRequest, stages: Stages) -> None:
    """Fills the bank of a PatchCore, and writes its checkpoint."""
    options = PatchCoreOptions(seed=request.seed)
    paths, grouped = request.pictures.paths, request.pictures.grouped
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
        part=grouped.parts.number,
        apart=grouped.apart,
        lots=grouped.lots_apart,
        aspect=usual_size(paths).aspect,
        quiet=True,
    )
    if fitted.turned:
        stages.tell(f"warning: {turned_text(fitted.turned, len(fitted.seen))}")
    facts = request.facts(
        fitted.model.config,
        fitted.seen,
        fitted.steps,
        encoder=encoder.name,
        **encoder.recipe.facts(),
    )
    save_checkpoint(request.out, fitted.model, facts, fitted.out_of_fold, fitted.good_cells)


def extend_patchcore_to(request: ExtendRequest, stages: Stages) -> Extension:
    """Adds the pictures to the bank of a PatchCore, and writes its checkpoint."""
    former, pictures = request.former, request.pictures
    assert isinstance(former.model, PatchCore)
    assert former.out_of_fold is not None
    extended = extend_patchcore(
        former.model,
        former.out_of_fold,
        former.good_cells,
        len(former.seen),
        pictures.paths,
        stages.counted(reader(former.recipe), len(pictures.paths)),
        request.compute,
        part=pictures.parts.number,
        apart=pictures.grouped.groups.number,
        lots=_further_lots(former.out_of_fold.lots, pictures),
        seed=request.seed,
        quiet=True,
    )
    _save(request, extended)
    return Extension(extended.before.numpy(), extended.after.numpy())


def _further_lots(former: Sequence[str], pictures: GoodPictures) -> Sequence[str]:
    """Names of the new pictures' lots, where the former ones were scored without theirs.

    Where nothing tells them, these pictures are one lot more.
    """
    if not former:
        return ()
    one = f"lot {len({*former}) + 1}"
    return pictures.grouped.lots.of or [one] * len(pictures.digests)


def _save(request: ExtendRequest, extended: Extended) -> None:
    former, pictures = request.former, request.pictures
    model, cells = extended.model, extended.good_cells
    seen = (*former.seen, *pictures.digests.values())
    sizes = [(width, height) for width, height, _ in pictures.sizes]
    if former.sizes is not None:
        known = former.sizes
        sizes += [
            (known.least_width, known.least_height),
            (known.most_width, known.most_height),
        ]
    facts = FitFacts(
        model.config,
        seen,
        len(seen),
        request.seed,
        package_versions(),
        encoder=model.variant,
        sizes=SizeRange.of(sizes),
        **former.recipe.facts(),
    )
    if model.head is not None and cells is not None:
        # The head goes on, on the scale of the larger bank and of all good parts.
        model, cells = with_same_head(model, extended.out_of_fold, cells, request.alpha)
    save_checkpoint(request.out, model, facts, extended.out_of_fold, cells)


LEARNING = FamilyLearning(fit_patchcore_to, extend_patchcore_to, teach_patchcore_to)
