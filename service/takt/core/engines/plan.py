"""The plan to run a bundle: its engine and its layout. Options go before what was tuned."""

from __future__ import annotations

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.host_profile import HostProfile
from takt.core.bundles.variant import Variant
from takt.core.engines.options import AUTO, REFERENCE, EngineOptions, EnginePlan
from takt.core.engines.runtimes import RUNTIMES, Runtime, runtime_of
from takt.core.errors import BundleError, ConfigurationError


def plan_for(
    bundle: Bundle, options: EngineOptions, profile: HostProfile | None = None
) -> EnginePlan:
    """Makes the plan for a bundle.

    Args:
        bundle: to run.
        options: what is 0 or `auto` leaves the choice to the profile, else to the default.
        profile: the best layout that `takt tune` measured on this host.

    Raises:
        ConfigurationError: the bundle has no such variant.
    """
    tuned = profile if options.engine == AUTO else None
    name = options.engine
    if name == AUTO:
        name = tuned.engine if tuned else REFERENCE
    variant, runtime = _named(bundle, name)
    gpu = runtime.provider != "cpu"
    instances = options.engine_instances or (tuned.engine_instances if tuned else 1)
    threads = options.engine_threads or (
        tuned.engine_threads
        if tuned and not options.engine_instances
        else max(1, options.cores // instances)
    )
    usual = (bundle.manifest.max_batch_size or 1) if bundle.manifest.padded_batch else 1
    batch = options.max_batch_size or (tuned.max_batch_size if tuned else 8 if gpu else usual)
    most = [batch, bundle.manifest.max_batch_size, variant.max_batch_size if variant else None]
    return EnginePlan(
        engine=runtime.engine,
        provider=runtime.provider,
        precision=variant.precision if variant else "fp32",
        variant=variant,
        model=bundle.content / variant.model if variant else bundle.model_path,
        instances=instances,
        threads=threads,
        max_batch_size=min(one for one in most if one is not None),
    )


def _named(bundle: Bundle, name: str) -> tuple[Variant | None, Runtime]:
    """The variant and the runtime of a value of the setting `engine`."""
    if name in RUNTIMES:
        return None, RUNTIMES[name]
    try:
        variant = bundle.variant(name)
    except BundleError as error:
        raise ConfigurationError(f"engine {name!r}: {error}") from None
    return variant, runtime_of(variant.engine, variant.provider)
