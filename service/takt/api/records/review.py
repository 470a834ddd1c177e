"""`GET /v1/review/confusion` and others: what judgements tell of a model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AliasPath, Field

from takt.api.problems import request_id_of
from takt.api.records.filters import FiltersIn, Id
from takt.api.records.judging import SaidOut
from takt.api.records.problems import NO_VERSION, record_responses
from takt.api.records.schemas import MomentText
from takt.api.records.threads import RecordThreads
from takt.api.schemas import ReplyOut, Schema
from takt.core.errors import CalibrationError, InspectionNotFoundError, InvalidParameterError
from takt.recording.review.confusion import Per, confusion
from takt.recording.review.history import disagreements
from takt.recording.review.proposal import Proposal, Rule, propose
from takt.recording.review.what_if import version_of, what_if
from takt.recording.search.filters import Filters


class ConfusionIn(FiltersIn):
    """Of which inspections, and in what stretches of time."""

    per: Per = Field("day", description="Length of a stretch of time, in UTC.")


class ProposalIn(FiltersIn):
    """By which inspections, of one version, and how."""

    rule: Rule = Field(
        "conformal",
        description="`conformal`: by the false-reject rate `alpha`; `best-f1`: by the highest F1.",
    )
    alpha: float | None = Field(
        None, gt=0, lt=1, description="Share of good parts that may be rejected; else 0.01."
    )
    threshold: float | None = Field(
        None,
        description="A threshold of the score: nothing is proposed then, and the answer is what "
        "this one would have changed. It needs no judgements, and goes with no rule.",
    )

    def filters(self) -> Filters:
        """The filters.

        Raises:
            InvalidParameterError: one cannot be met, or a threshold goes with a rule.
        """
        if self.threshold is not None and (self.alpha is not None or self.rule != "conformal"):
            raise InvalidParameterError(
                "threshold: a given one is not proposed; leave out rule and alpha"
            )
        return super().filters()


class DisagreementsIn(FiltersIn):
    """Among which inspections, and how many."""

    limit: int = Field(100, ge=1, le=1000, description="Most inspections.")
    before: Id | None = Field(None, description="Older than this one, such as the last of a page.")


class EstimateOut(Schema):
    """A share by what is judged, between 0 and 1."""

    value: float | None = Field(description="Null where something that it rests on is not judged.")
    low: float = Field(
        validation_alias=AliasPath("interval", "low"), description="Lower bound, with 95 %."
    )
    high: float = Field(
        validation_alias=AliasPath("interval", "high"), description="Upper bound, with 95 %."
    )


class JudgedCountsOut(Schema):
    """Judged inspections by judgement and verdict."""

    true_rejects: int = Field(description="Defects that were rejected.")
    false_rejects: int = Field(description="Good parts that were rejected.")
    slips: int = Field(description="Defects that passed.")
    true_passes: int = Field(description="Good parts that passed.")
    unsure: int = Field(description="In none of the others.")


class FiguresOut(Schema):
    """The mistakes of verdicts, among the judged inspections and among all of them."""

    inspections: int
    rejects: int
    counts: JudgedCountsOut
    false_alarms: EstimateOut = Field(description="Share of the rejects that are good.")
    slips: EstimateOut = Field(description="Share of the passes that are defects.")
    false_reject_rate: EstimateOut = Field(description="Share of the good parts rejected.")
    miss_rate: EstimateOut = Field(description="Share of the defects that passed.")
    defect_rate: EstimateOut = Field(description="Share of all that are defects.")
    limits: list[str] = Field(description="What cannot be told, and why.")


class BucketOut(Schema):
    """The figures of a stretch of time."""

    since: MomentText = Field(
        validation_alias="since_us", description="Its begin, in UTC; weeks begin on Mondays."
    )
    until: MomentText = Field(
        validation_alias="until_us", description="Its end, which does not belong to it."
    )
    figures: FiguresOut


class ConfusionOut(ReplyOut):
    """Verdicts against judgements, over time."""

    whole: FiguresOut
    buckets: list[BucketOut] = Field(
        description="Oldest first; none of a time in which nothing was inspected."
    )


class FlipsOut(Schema):
    """Verdicts that the proposed threshold would turn round."""

    to_pass: int = Field(description="Rejects that would pass.")
    to_reject: int = Field(description="Passes that would be rejected.")


class ProposalOut(ReplyOut):
    """A threshold by what was judged, or a given one; nothing is changed."""

    model: str
    version: str
    given: bool = Field(description="Whether the request gave the threshold; then no rule did.")
    rule: Rule = Field(description="By which it was proposed; tells nothing of a given one.")
    alpha: float | None = Field(description="Aimed at by `conformal`; null for a given one.")
    threshold: float = Field(description="The proposed or given one, of a picture's score.")
    in_force: float = Field(description="That of the latest of these inspections.")
    good: int = Field(
        description="Judged good ones that it was found by; of a given one all that there are."
    )
    defects: int = Field(
        description="Judged defects that it was found by; of a given one all that there are."
    )
    before: FiguresOut = Field(description="Of the verdicts as they were given.")
    after: FiguresOut = Field(description="Of this threshold, on the same inspections.")
    flips_good: FlipsOut = Field(description="Among those judged good.")
    flips_defects: FlipsOut = Field(description="Among those judged a defect.")
    flips_unsure: FlipsOut = Field(description="Among those judged unsure.")
    flips_all: FlipsOut = Field(description="Among all inspections, judged or not.")
    limits: list[str] = Field(description="What cannot be told, and why.")


class DisagreementOut(Schema):
    """An inspection that one reviewer calls good and another one a defect."""

    id: int = Field(validation_alias="inspection_id", description="The inspection's number.")
    opinions: list[SaidOut] = Field(
        description="The latest standing judgement of each reviewer, the latest one last."
    )


class DisagreementsOut(ReplyOut):
    """Inspections about which reviewers disagree."""

    inspections: list[DisagreementOut] = Field(description="The newest first.")


_TOO_FEW = record_responses(
    InspectionNotFoundError(
        "the record has no such inspections of parts, version 7: there is nothing that a threshold "
        "would have changed"
    ),
    CalibrationError(
        "judged of parts, version 1: 12 good, 0 defective; unseen good pictures: 12; alpha 0.01 "
        "needs at least 99; or ask for an alpha of 0.077 or more"
    ),
)


def review_router(threads: RecordThreads) -> APIRouter:
    """The routes that tell what was judged.

    Args:
        threads: work on the record.
    """
    router = APIRouter(tags=["record"], responses=record_responses(NO_VERSION))

    @router.get("/v1/review/confusion")
    async def get_confusion(
        request: Request, query: Annotated[ConfusionIn, Query()]
    ) -> ConfusionOut:
        """Compare verdicts with judgements, over time.

        The rates are of all inspections that the filters want, by those that are judged.
        """
        filters = query.filters()
        found = await threads.run(lambda record: confusion(record.database, filters, query.per))
        return ConfusionOut(
            request_id=request_id_of(request.scope),
            whole=FiguresOut.model_validate(found.whole),
            buckets=[BucketOut.model_validate(one) for one in found.buckets],
        )

    @router.get("/v1/review/threshold", responses=_TOO_FEW)
    async def propose_threshold(
        request: Request, query: Annotated[ProposalIn, Query()]
    ) -> ProposalOut:
        """Propose a threshold for one version by what was judged, and what it would change.

        With `threshold` nothing is proposed: the answer is what that one would have changed, by
        what is recorded, against the verdicts as they were given.
        `PUT /v1/models/{name}/versions/{version}/threshold` puts it in force, with a reason.
        """
        filters, threshold = query.filters(), query.threshold
        if threshold is None:
            found = await threads.run(
                lambda record: propose(record.database, filters, query.rule, query.alpha)
            )
            return _proposal(request, found, given=False)
        given = await threads.run(lambda record: what_if(record.database, filters, threshold))
        model, version = version_of(filters)
        as_proposed = Proposal(
            model, version, query.rule, None, given.good, given.defects, given, given.limits
        )
        return _proposal(request, as_proposed, given=True)

    @router.get("/v1/review/disagreements")
    async def list_disagreements(
        request: Request, query: Annotated[DisagreementsIn, Query()]
    ) -> DisagreementsOut:
        """List inspections that one reviewer calls good and another one a defect."""
        filters = query.filters()
        found = await threads.run(
            lambda record: disagreements(record.database, filters, query.limit, query.before)
        )
        return DisagreementsOut(
            request_id=request_id_of(request.scope),
            inspections=[DisagreementOut.model_validate(one) for one in found],
        )

    return router


def _proposal(request: Request, found: Proposal, *, given: bool) -> ProposalOut:
    change = found.what_if
    return ProposalOut(
        request_id=request_id_of(request.scope),
        model=found.model,
        version=found.version,
        given=given,
        rule=found.rule,
        alpha=found.alpha,
        threshold=change.threshold,
        in_force=change.in_force,
        good=found.good,
        defects=found.defects,
        before=FiguresOut.model_validate(change.before),
        after=FiguresOut.model_validate(change.after),
        flips_good=FlipsOut.model_validate(change.flips_good),
        flips_defects=FlipsOut.model_validate(change.flips_defects),
        flips_unsure=FlipsOut.model_validate(change.flips_unsure),
        flips_all=FlipsOut.model_validate(change.flips_all),
        limits=list(found.limits),
    )
