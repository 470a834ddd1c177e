"""Options for files that turn their picture or have more than 8 bits."""

from __future__ import annotations

import click

ORIENTATIONS = ("apply", "ignore")
DEPTHS = ("full", "12", "14", "max", "pillow")

ORIENTATION = click.option(
    "--orientation",
    type=click.Choice(ORIENTATIONS),
    show_default="that of the training; apply for imported graphs",
    help="Whether the model sees a picture upright that its file says to turn (EXIF), or as it is "
    "stored.",
)
DEPTH = click.option(
    "--depth",
    type=click.Choice(DEPTHS),
    show_default="that of the training; full for imported graphs",
    help="Of files of 16 bits: the levels that become 0 to 255. full: all; 12, 14: those of a "
    "camera of so many bits; max: up to the highest of each picture; pillow: as Pillow, which cuts "
    "grey off at 255.",
)
