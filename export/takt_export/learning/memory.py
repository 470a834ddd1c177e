"""Whether a size can be learned in the memory that is left. Nothing here loads torch."""

from __future__ import annotations

import click

from takt_models.input_size import InputSize, SizeLimits

_BASE_BYTES = 1 << 30
"""Memory of a fit whatever its input: torch, an encoder, features that are kept, the self-test."""


def check_memory(size: InputSize, limits: SizeLimits, free_bytes: int) -> None:
    """Refuse a size that takes more memory than there is, before minutes are spent on it.

    Args:
        size: of the input.
        limits: what the family takes; nothing is refused where nobody has measured it.
        free_bytes: memory that is left.

    Raises:
        click.BadParameter: names the memory, and a size that fits.
    """
    if not limits.fit_pixel_bytes:
        return
    wanted_bytes = _BASE_BYTES + size.pixels * limits.fit_pixel_bytes
    if wanted_bytes <= free_bytes:
        return
    pixels = (free_bytes - _BASE_BYTES) / limits.fit_pixel_bytes
    if pixels >= limits.least**2:
        found = limits.shaped(size.width / size.height, pixels, at_most=True)
        remedy = f"--size {found} fits"
    else:
        remedy = "no size fits: learn where there is more"
    raise click.BadParameter(
        f"to learn at {size} takes about {wanted_bytes / 1e9:.1f} GB of memory, and "
        f"{free_bytes / 1e9:.1f} GB are left here; {remedy}",
        param_hint="--size",
    )
