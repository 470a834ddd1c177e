"""The JSON of what the HTTP API tells of models and their versions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from takt.api.schemas import ImageSize, Schema
from takt.core.bundles.bearing import MovementKind
from takt.core.bundles.tiling import Blend
from takt.core.domain import FindingCode


class ThresholdOriginOut(Schema):
    """Where a threshold comes from."""

    source: Literal["bundle", "override"]
    since: str = Field(description="UTC, ISO 8601.")
    reason: str | None = Field(description="That was given with the override.")
    bundle: float = Field(description="The bundle's own, whatever is in force.")


class ThresholdOriginsOut(Schema):
    """Where both come from."""

    image: ThresholdOriginOut
    pixel: ThresholdOriginOut


class ThresholdsOut(Schema):
    """From which values on a picture or a pixel counts as anomalous: those in force."""

    image: float
    pixel: float
    alpha: float | None = Field(
        description="False-reject rate that the bundle's own were calibrated for; an override "
        "promises none."
    )
    proven_rate: float | None = Field(
        description="False-reject rate that is proven of the bundle's own, where it is not alpha "
        "itself."
    )
    method: str = Field(description="How the bundle's own were found.")
    origin: ThresholdOriginsOut
    undecided: bool | None = Field(
        description="Whether a picture that cannot be judged gets the verdict `undecided`; null "
        "where the bundle does not know what its good pictures look like, so that it never does."
    )


class FileDriftOut(Schema):
    """By how much pictures' files were answered unlike the trained model, at the export.

    The service's decoding, preprocessing and graph were compared with the trained model behind the
    training's own preprocessing.
    """

    score: float = Field(description="The largest absolute difference of a score.")
    anomaly_map: float = Field(description="The largest absolute difference of a map value.")
    pictures: int = Field(description="Number of pictures that were compared.")


class DriftOut(Schema):
    """By how much the engine answered the golden inputs unlike the trained model."""

    score: float = Field(description="The largest absolute difference of a score.")
    anomaly_map: float = Field(description="The largest absolute difference of a map value.")
    tolerance: float = Field(description="The largest of either at which an engine may serve.")
    from_file: FileDriftOut | None = Field(
        description="Of the whole way from a picture's file; null in bundles from before it was "
        "measured."
    )


class RoiOut(Schema):
    """The region of interest: the part of the picture that counts."""

    share: float = Field(description="Of the picture that counts, 0 to 1.")
    mask: bool = Field(description="Whether a mask picture says what counts, and no polygons.")
    polygons: list[list[tuple[float, float]]] = Field(
        description="Corners x, y as fractions of the picture's width and height; what counts is "
        "within any of them, or, if there are none, the whole picture."
    )
    exclude: list[list[tuple[float, float]]] = Field(description="What does not count, though.")


class TilingOut(Schema):
    """The tiles in which the model sees a picture."""

    width: int = Field(description="Of a tile, in pixels of the picture.")
    height: int = Field(description="Of a tile, in pixels of the picture.")
    overlap: int = Field(description="Pixels that neighbouring tiles share, at least.")
    blend: Blend = Field(description="What the map holds where tiles overlap.")


class FindingOut(Schema):
    """One thing that speaks against a model."""

    code: FindingCode
    text: str = Field(description="What was found, with its figures.")
    remedy: str = Field(description="What to do about it.")


class MovedShareOut(Schema):
    """Good pictures that were moved by one magnitude."""

    magnitude: float = Field(description="Per cent of the sides or the light, degrees, or levels.")
    rejected: float = Field(description="Share of the good pictures that would be rejected.")


class KindBorneOut(Schema):
    """What a model bears of one kind of movement."""

    kind: MovementKind
    bound: float = Field(
        description="The largest magnitude that is borne, as are all smaller ones; 0 if not even "
        "the smallest."
    )
    steps: list[MovedShareOut] = Field(
        description="From the smallest magnitude to the first that is not borne, or to the largest "
        "tried."
    )


class BearingOut(Schema):
    """What movement, light and noise a model bears."""

    text: str = Field(description="All of it, in words.")
    warning: str | None = Field(
        description="What to do where it bears so little that most lines show more; else null."
    )
    pictures: int = Field(description="Good pictures that the model has not seen.")
    limit: float = Field(
        description="Largest share of them that may be rejected where a movement is borne."
    )
    kinds: list[KindBorneOut] = Field(description="Empty where the pictures are too few to tell.")


class AlphaPriceOut(Schema):
    """What thresholds at a false-reject rate reject and find."""

    alpha: float = Field(description="Share of good pictures that may be rejected.")
    image: float = Field(description="Threshold of the score.")
    pixel: float = Field(description="Threshold of the map.")
    rejected: int = Field(description="Good pictures, not seen by the model, that they reject.")
    made_up: int = Field(description="Made-up defects that they find.")
    given: int = Field(description="Given defects that they find.")
    next_lot: float | None = Field(
        description="Share of good pictures of a further lot that they reject at most, in nine of "
        "ten lots; null where that is not known."
    )


class NextLotOut(Schema):
    """What the lots that a model was calibrated with tell of the next one."""

    text: str = Field(description="All of it, in words.")
    lots: int = Field(description="Number of lots; 0 where nothing tells lots apart.")
    rejected: int = Field(description="Good pictures, not seen by the model, that are rejected.")
    good: int = Field(description="Good pictures.")
    limit: float | None = Field(
        description="Share of good pictures of a further lot that is not exceeded in nine of ten "
        "lots; null where lots are too few, or the model has seen others of each picture's lot."
    )
    limit_of_twice: float | None = Field(
        description="About what the limit would be with twice as many lots; null where it is."
    )


class PricesOut(Schema):
    """What a higher or lower false-reject rate would reject and find."""

    alpha: float = Field(description="The rate of the model's own thresholds.")
    advice: str | None = Field(description="Another rate that is worth it, in words; else null.")
    good: int = Field(description="Good pictures.")
    made_up: int = Field(description="Made-up defects.")
    given: int = Field(description="Given defects.")
    at: list[AlphaPriceOut] = Field(description="By rate, the lowest first.")


class SelfTestOut(Schema):
    """A model's answers to made-up defects, and what speaks against it."""

    text: str = Field(description="The result on made-up defects, in words.")
    defects: int = Field(description="Made-up defects on pictures of good parts.")
    found: int = Field(description="Those whose picture the model calls anomalous.")
    smallest_px: int | None = Field(
        description="The smallest size of which it finds at least half, in pixels of the picture."
    )
    bears: BearingOut | None = Field(
        description="What movement it bears; null if that was not tested."
    )
    prices: PricesOut | None = Field(
        description="What other false-reject rates would cost and find; null if good pictures do "
        "not tell."
    )
    next_lot: NextLotOut | None = Field(
        description="What is known of the next lot; null if good pictures give no thresholds."
    )
    findings: list[FindingOut] = Field(description="The gravest first; empty is good.")
    made_at: str = Field(description="UTC, ISO 8601.")


class PictureSetOut(Schema):
    """Some pictures, by their content."""

    count: int
    digest: str = Field(
        description="SHA-256 of the list of the files' own SHA-256, sorted, one a line."
    )


class ProvenanceOut(Schema):
    """Where a bundle comes from."""

    good: PictureSetOut = Field(description="Good pictures that the export was given.")
    defects: PictureSetOut | None = Field(description="Defective pictures that it was given.")
    calibrated_on: PictureSetOut | None = Field(description="Good pictures of a later calibration.")
    files: list[str] = Field(description="SHA-256 of the files that the model came from.")
    host: str = Field(description="Processor, cores and GPUs of the export.")
    system: str = Field(description="Operating system of the export.")


class BundleSizeOut(Schema):
    """What a bundle takes on the disk."""

    bytes: int = Field(description="Of all files that its manifest lists.")
    graph_bytes: int = Field(description="Of the graph that answers, with its weights.")


class VersionOut(Schema):
    """One version of a model."""

    version: str
    state: Literal["loading", "ready", "failed", "closed"]
    reason: str | None = Field(description="Why it failed.")
    engine: str | None
    family: str | None
    variant: str | None
    input: ImageSize | None
    thresholds: ThresholdsOut | None
    map_low: float | None = Field(
        description="Map value where a heatmap's colours begin, the median of good pictures; the "
        "pixel threshold is their middle."
    )
    drift: DriftOut | None
    roi: RoiOut | None = Field(description="The part of a picture that counts; all if null.")
    tiling: TilingOut | None = Field(
        description="The model sees a picture in such tiles; as a whole if null."
    )
    self_test: SelfTestOut | None = Field(
        description="What speaks against the model; null if no self-test was made."
    )
    signed_by: str | None = Field(
        description="Name of the trusted key that has signed the bundle; null where none is asked "
        "for."
    )
    provenance: ProvenanceOut | None = Field(
        description="Where the bundle comes from; null if it is from before that was kept."
    )
    digest: str | None = Field(
        description="SHA-256 of its manifest, and so of all files that this lists; null until "
        "they are read."
    )
    on_disk: BundleSizeOut | None = Field(description="Sizes; null until its files are read.")
    notes: list[str] = Field(description="What else its answers rest on, in words.")


class ModelOut(Schema):
    """A model and its versions."""

    name: str
    active: str = Field(
        description="The version that answers where a request names none; empty if none does."
    )
    waits: str | None = Field(
        description="Why none answers, and what to do: the self-test of a first version may say "
        "not to serve it, so that it waits for its activation. Null if one answers."
    )
    previous: str | None = Field(description="The version that a rollback goes back to.")
    decided: bool = Field(
        description="Whether it stays active at the next start, as somebody has activated it or a "
        "later version waits; else the highest version is active then."
    )
    versions: list[VersionOut]


class RefusedOut(Schema):
    """What is at the URL of the bundles and not taken."""

    name: str = Field(description="Model/version, or the model whose `active.json` it is.")
    reason: str


class SourceOut(Schema):
    """The URL that bundles come from."""

    url: str = Field(description="Without user and password.")
    away: str | None = Field(
        description="Why the last look at it failed; what came until then is served."
    )
    refused: list[RefusedOut]


class ModelsOut(Schema):
    """Every model of this server."""

    models: list[ModelOut]
    source: SourceOut | None = Field(
        description="Where bundles come from; null if from a folder of this server."
    )
