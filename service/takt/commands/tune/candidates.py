"""Lists the ways to run a bundle that are worth a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from takt.core.bundles.bundle import Bundle
from takt.core.engines.options import REFERENCE
from takt.core.engines.plan import plan_for
from takt.core.engines.runtimes import RUNTIMES
from takt.settings import Settings

MOST_INSTANCES = 64
"""Largest value of the setting `engine_instances`."""

GPU_INSTANCES = (1, 2)
"""Numbers of instances on a GPU: one computes while the other copies, and a third gains nothing."""

GPU_BATCH_SIZES = (1, 2, 4, 8, 16)
CPU_BATCH_SIZES = (1,)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a bundle.

    >>> str(Candidate("openvino", instances=2, threads=1, max_batch_size=1))
    'openvino, 2 x 1 thread'

    Attributes:
        engine: value of the setting `engine`.
        instances: number of pictures or batches that run at the same time.
        threads: threads of the CPU for each instance.
        max_batch_size: most pictures in one batch.
        gpu: whether it runs on a GPU.
    """

    engine: str
    instances: int
    threads: int
    max_batch_size: int
    gpu: bool = False

    def __str__(self) -> str:
        """Description for people, on one line."""
        batch = f", batches of {self.max_batch_size}" if self.max_batch_size > 1 else ""
        threads = "thread" if self.threads == 1 else "threads"
        return f"{self.engine}, {self.instances} x {self.threads} {threads}{batch}"

    def settings(self, base: Settings) -> Settings:
        """Settings that serve the candidate and fall back to no other engine.

        Args:
            base: all other settings, such as the GPU to use.
        """
        return base.model_copy(
            update={
                "engine": self.engine,
                "provider_fallback": False,
                "variant_fallback": "fail",
                "engine_instances": self.instances,
                "engine_threads": self.threads,
                "max_batch_size": self.max_batch_size,
            }
        )


def reference_of(cores: int) -> Candidate:
    """Candidate that serves without tuning and settings; all others are compared with it."""
    return Candidate(REFERENCE, 1, cores, 1)


def engines_of(bundle: Bundle) -> tuple[str, ...]:
    """Names of all engines that may run a bundle's reference graph or one of its variants."""
    return (*RUNTIMES, *(variant.name for variant in bundle.manifest.variants))


def candidates_of(
    bundle: Bundle,
    base: Settings,
    *,
    cores: int,
    engines: Sequence[str] = (),
    batch_sizes: Sequence[int] = (),
) -> tuple[Candidate, ...]:
    """Candidates to measure, even if this host lacks their engines.

    Args:
        bundle: the bundle to run.
        base: settings that a candidate does not change.
        cores: number of cores that this process may use.
        engines: names of the engines to measure; all if empty.
        batch_sizes: batch sizes to measure; the usual ones if empty. The model may lower them.

    Raises:
        ConfigurationError: the bundle has no such engine.
    """
    found: dict[Candidate, None] = {}
    for name in dict.fromkeys(engines or engines_of(bundle)):
        found |= dict.fromkeys(_of_engine(bundle, base, name, cores, batch_sizes))
    return tuple(found)


def instance_counts(cores: int) -> tuple[int, ...]:
    """Numbers of instances that leave no core idle, each at least twice the one before.

    >>> instance_counts(12)
    (1, 3, 6, 12)

    Returns:
        Ascending numbers from 1 to `cores`, or to the largest allowed divisor of `cores`.
    """
    divisors = [n for n in range(1, min(cores, MOST_INSTANCES) + 1) if cores % n == 0]
    counts: list[int] = []
    for count in reversed(divisors):
        if not counts or 2 * count <= counts[-1]:
            counts.append(count)
    return tuple(reversed(counts))


def _of_engine(
    bundle: Bundle, base: Settings, name: str, cores: int, batch_sizes: Sequence[int]
) -> Iterator[Candidate]:
    plan = plan_for(bundle, Candidate(name, 1, 1, 1).settings(base).engine_options)
    gpu = plan.provider != "cpu"
    for instances in GPU_INSTANCES if gpu else instance_counts(cores):
        threads = 1 if gpu else cores // instances
        for size in batch_sizes or (GPU_BATCH_SIZES if gpu else CPU_BATCH_SIZES):
            asked = Candidate(name, instances, threads, size, gpu)
            options = asked.settings(base).engine_options
            largest = plan_for(bundle, options).max_batch_size
            yield Candidate(name, instances, threads, largest, gpu)
