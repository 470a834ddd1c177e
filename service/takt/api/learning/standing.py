"""A learning as the API tells it, with what became of its version on this server."""

from __future__ import annotations

import shlex
from dataclasses import asdict

from takt.api.learning.schemas import (
    GatheredCountsOut,
    LearnedOut,
    LearningFactsOut,
    LearningJobOut,
    VersionStanding,
)
from takt.core.errors import ModelNotFoundError
from takt.learning.job import LearningJob
from takt.learning.judged import GatheredJudged
from takt.repository.repository import ModelRepository
from takt.settings import Settings


def signing_text(settings: Settings, model: str, version: str) -> str:
    """How a version is signed that waits for it; the command can be copied."""
    bundle = shlex.quote(str(settings.repository_folder / model / version))
    return (
        "this server serves signed versions alone, and has no key to sign with; whoever has it "
        f"signs the new one: takt sign {bundle} --key takt.key"
    )


def job_out(job: LearningJob, repository: ModelRepository, settings: Settings) -> LearningJobOut:
    """A learning as the API tells it.

    Args:
        job: the learning.
        repository: has its version, once it is found.
        settings: of the server.
    """
    learned = None
    if job.learned is not None and job.state == "done":
        standing, reason = _standing(job.wish.model, job.learned.version, repository, settings)
        learned = LearnedOut(**asdict(job.learned), standing=standing, reason=reason)
    return LearningJobOut(**dict(LearningFactsOut.model_validate(job)), learned=learned)


def counts_out(gathered: GatheredJudged | None) -> GatheredCountsOut | None:
    """The pictures of a teaching as the API tells them."""
    return None if gathered is None else GatheredCountsOut.model_validate(gathered)


def _standing(
    model: str, version: str, repository: ModelRepository, settings: Settings
) -> tuple[VersionStanding, str | None]:
    """Whether a version answers, and why it does not."""
    try:
        of = repository.model(model)
        found, active, waits = of.get(version), of.active == version, of.waits
    except ModelNotFoundError:
        # A model whose only version cannot be served is no model to anybody.
        known = next(
            (one for one in repository if (one.name, one.version) == (model, version)), None
        )
        if known is None:
            return "loading", None
        found, active, waits = known, False, None
    if found.ready:
        return ("active", None) if active else ("waiting", waits)
    if found.state != "failed":
        return "loading", None
    if settings.trusted_keys is not None:
        return "unsigned", signing_text(settings, model, version)
    return "failed", found.reason
