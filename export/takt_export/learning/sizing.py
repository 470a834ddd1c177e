"""What a model of each family gets to see: size and levels of its input, and its encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from takt_export.calibration.camera_files import file_depth
from takt_export.learning.size_request import SizeRequest, Tell
from takt_export.pictures import usual_size
from takt_models.efficientad.config import SIZES as EFFICIENTAD_SIZES
from takt_models.efficientad.detector import PDN
from takt_models.fit.device import Compute, time_of_a_picture_ms
from takt_models.fit.efficientad.fit import untrained
from takt_models.fit.efficientad.options import EfficientAdOptions
from takt_models.fit.inpformer import encoders as inpformer_encoders
from takt_models.fit.inpformer.encoders import LITE0, Pretrained
from takt_models.fit.patchcore import encoders as patchcore_encoders
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.inpformer.config import SIZES as INPFORMER_SIZES
from takt_models.inpformer.detector import InpFormer
from takt_models.input_size import InputSize, side_for
from takt_models.patchcore.config import SIZES as PATCHCORE_SIZES
from takt_models.patchcore.config import dealt
from takt_models.patchcore.detector import PatchCore


def sized_efficientad(
    sizing: SizeRequest,
    good: Sequence[Path],
    teacher: PDN,
    options: dict[str, Any],
    compute: Compute,
    tell: Tell,
) -> EfficientAdOptions:
    """The options of an EfficientAD's fit, with the size of its input.

    Raises:
        click.BadParameter: the family does not take the size.
        PicturesError: a picture or a mask cannot be read.
    """

    def of(size: InputSize) -> EfficientAdOptions:
        return EfficientAdOptions(width=size.width, height=size.height, **options)

    def time_ms(size: InputSize) -> float:
        return time_of_a_picture_ms(untrained(teacher, of(size)), compute)

    usual = InputSize(EFFICIENTAD_SIZES.usual_side, EFFICIENTAD_SIZES.usual_side)
    return of(sizing.choose(EFFICIENTAD_SIZES, good, time_ms, tell) or usual)


def sized_inpformer(
    sizing: SizeRequest, good: Sequence[Path], encoder: str, compute: Compute, tell: Tell
) -> Pretrained:
    """The encoder of an INP-Former for the size of its input and the levels of its pictures.

    Raises:
        CheckpointError, EncoderError: as `pretrained` does.
        click.BadParameter: the family does not take the size.
        PicturesError: a picture or a mask cannot be read.
    """

    def time_ms(size: InputSize) -> float:
        return time_of_a_picture_ms(
            InpFormer(inpformer_encoders.pretrained(encoder, size).config), compute
        )

    limits = INPFORMER_SIZES["lite0" if encoder == LITE0 else "dinov2"]
    found = inpformer_encoders.pretrained(encoder, sizing.choose(limits, good, time_ms, tell))
    return replace(found, recipe=replace(found.recipe, depth=file_depth(good, tell)))


def sized_patchcore(
    sizing: SizeRequest,
    good: Sequence[Path],
    encoder: str,
    bank_size: int,
    compute: Compute,
    tell: Tell,
) -> PatchCoreEncoder:
    """The encoder of a PatchCore for the size of its input and the levels of its pictures.

    Args:
        sizing: what was asked for.
        good: good pictures, whose shape counts.
        encoder: as `encoder_of` takes it.
        bank_size: vectors of all banks together, which take their time.
        compute: device and precision.
        tell: takes lines for people.

    Raises:
        CheckpointError, EncoderError: as `encoder_of` does.
        click.BadParameter: the family does not take the size.
        PicturesError: a picture or a mask cannot be read.
    """

    def time_ms(size: InputSize) -> float:
        config = patchcore_encoders.encoder_of(encoder, size.width, size.height).config
        sizes = dealt(bank_size, PatchCore(config).encoder.channels)
        return time_of_a_picture_ms(PatchCore(replace(config, bank_sizes=sizes)), compute)

    usual = patchcore_encoders.encoder_of(encoder)
    limits = PATCHCORE_SIZES[usual.config.encoder]
    size = sizing.choose(limits, good, time_ms, tell)
    if size is None and usual.config.encoder == "lite0":
        fitting = side_for(limits, usual_size(good))
        if fitting.size.width != limits.usual_side:
            tell(fitting.text())
        size = fitting.size
    found = usual
    if size is not None:
        found = patchcore_encoders.encoder_of(encoder, size.width, size.height)
    return replace(found, recipe=replace(found.recipe, depth=file_depth(good, tell)))
