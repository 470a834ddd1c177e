"""The ways to run a bundle that are worth a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.bundles.bundle import Bundle
from service.engines.plan import REFERENCE, plan_for
from service.settings import Settings

RUNTIMES = (REFERENCE, "openvino", "cuda", "tensorrt")
"""What may run the reference graph, as the setting `engine` takes them."""

MOST_INSTANCES = 64
"""That the setting `engine_instances` allows."""

GPU_INSTANCES = (1, 2)
"""One computes while the other copies; a third has nothing left to hide."""

GPU_BATCH_SIZES = (1, 2, 4, 8, 16)
CPU_BATCH_SIZES = (1,)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a bundle.

    Attributes:
        engine: as the setting takes it.
        instances: pictures or batches at the same time.
        threads: of the CPU, for each of them.
        max_batch_size: most pictures in one batch.
        gpu: whether it runs on one.
    """

    engine: str
    instances: int
    threads: int
    max_batch_size: int
    gpu: bool = False

    def __str__(self) -> str:
        """For people, on one line."""
        batch = f", batches of {self.max_batch_size}" if self.max_batch_size > 1 else ""
        threads = "thread" if self.threads == 1 else "threads"
        return f"{self.engine}, {self.instances} x {self.threads} {threads}{batch}"

    def settings(self, base: Settings) -> Settings:
        """The settings that serve it so and not otherwise, whatever the host lacks.

        Args:
            base: for all that a candidate does not say, such as the GPU to use.
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
    """What runs where nobody has tuned and nothing is set: all others are compared with it."""
    return Candidate(REFERENCE, 1, cores, 1)


def engines_of(bundle: Bundle) -> tuple[str, ...]:
    """The names of all engines that may run a bundle: for its reference graph, and variants."""
    return (*RUNTIMES, *(variant.name for variant in bundle.manifest.variants))


def candidates_of(
    bundle: Bundle,
    base: Settings,
    *,
    cores: int,
    engines: Sequence[str] = (),
    batch_sizes: Sequence[int] = (),
) -> tuple[Candidate, ...]:
    """What is to be measured, whether or not this host has the engines for it.

    Args:
        bundle: to be run.
        base: see `Candidate.settings`.
        cores: that this process may use.
        engines: only these; all if empty.
        batch_sizes: instead of the usual ones; none is larger than the model takes.

    Raises:
        ConfigurationError: the bundle has no such engine.
    """
    found: dict[Candidate, None] = {}
    for name in dict.fromkeys(engines or engines_of(bundle)):
        found |= dict.fromkeys(_of_engine(bundle, base, name, cores, batch_sizes))
    return tuple(found)


def instance_counts(cores: int) -> tuple[int, ...]:
    """Numbers of instances that leave no core idle, each at least twice the one before.

    Returns:
        Ascending, from 1 to `cores`, or to the largest such number that is allowed.
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
    plan = plan_for(bundle, Candidate(name, 1, 1, 1).settings(base))
    gpu = plan.provider != "cpu"
    for instances in GPU_INSTANCES if gpu else instance_counts(cores):
        threads = 1 if gpu else cores // instances
        for size in batch_sizes or (GPU_BATCH_SIZES if gpu else CPU_BATCH_SIZES):
            asked = Candidate(name, instances, threads, size, gpu)
            largest = plan_for(bundle, asked.settings(base)).max_batch_size
            yield Candidate(name, instances, threads, largest, gpu)
