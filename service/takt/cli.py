"""The `takt` command: `serve`, and every other command, found through entry points."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from takt.configuration import REPLACED, load_settings, unknown_variables
from takt.core.distribution import CLIENT, DISTRIBUTION, EXPORT, MSA, STATION, install_hint
from takt.core.errors import TaktError
from takt.declaration import heading_of
from takt.headings import CONTEXT, HeadedCommand, under
from takt.observing.line_writer import LineWriter
from takt.observing.logging_setup import configure_logging
from takt.security.exposure import check_exposure
from takt.settings import ENV_PREFIX, Settings

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

COMMANDS = "takt.commands"
OF_TRAIN: Final = (
    *("calibrate", "card", "eval", "export", "fit", "import", "inspect-checkpoint"),
    *("learn", "sign", "synthesize", "verify"),
)
"""The commands that the extra `train` brings."""

OF_PLUGINS: Final = {"msa": MSA, "simulate": STATION, "station": STATION}
"""The commands of Takt's plugins, each with the distribution that brings it."""

_BROUGHT_BY: Final = {**dict.fromkeys(OF_TRAIN, "train"), **OF_PLUGINS}

_UNITS = {
    "ms": "MILLISECONDS",
    "s": "SECONDS",
    "bytes": "BYTES",
    "mb": "MIB",
    "pixels": "PIXELS",
    "sizes": "N,N,…",
    "plugins": "NAME,NAME,…",
    "repository": "PATH|URL",
}
"""By the end of a setting's name."""

logger = logging.getLogger("takt.settings")


class _Commands(click.Group):
    """The commands here, and those that other packages register under `takt.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = importlib.metadata.entry_points(group=COMMANDS).names
        return sorted({*super().list_commands(ctx), *found, *_BROUGHT_BY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for entry_point in importlib.metadata.entry_points(group=COMMANDS, name=cmd_name):
            try:
                command = entry_point.load()
                if not isinstance(command, click.Command):
                    raise TypeError(f"{entry_point.value} is no command")
            # A module of others may do anything as it is imported, and end the process as well.
            except (Exception, SystemExit) as error:
                owner = DISTRIBUTION if entry_point.dist is None else entry_point.dist.name
                if isinstance(error, ModuleNotFoundError) and owner in (DISTRIBUTION, EXPORT):
                    return _missing(cmd_name, error.name)
                return _broken(cmd_name, owner, error)
            return command
        return _elsewhere(cmd_name) if cmd_name in _BROUGHT_BY else None


def _elsewhere(command: str) -> click.Command:
    """A command in the place of one whose distribution is not installed."""
    hint = install_hint(_BROUGHT_BY[command])
    return _refusing(command, f"Not installed; {hint}.", f"`takt {command}` comes with `{hint}`")


def _missing(command: str, module: str | None) -> click.Command:
    """A command in the place of one whose packages a server install leaves out."""
    hint = install_hint(*(("bench", CLIENT) if command == "bench" else ("train",)))
    why = f"`takt {command}` needs {module}, which a server install leaves out; {hint}"
    return _refusing(command, f"Not installed; {hint}.", why)


def _broken(command: str, distribution: str, error: BaseException) -> click.Command:
    """A command in the place of one that fails as it is loaded."""
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    why = f"`takt {command}` of {distribution} cannot be loaded: {said}"
    return _refusing(command, f"Cannot be loaded: {said}", f"{why}; install it anew, or remove it")


def _refusing(command: str, shown: str, why: str) -> click.Command:
    """A command that does nothing but say why."""

    def refuse() -> None:
        raise click.ClickException(why)

    return click.Command(
        command,
        callback=refuse,
        help=shown,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], **CONTEXT})
@click.version_option(package_name=DISTRIBUTION)
def main() -> None:
    """Real-time visual inspection: fit, export and serve anomaly detectors."""


class _SettingOption(click.Option):
    """The option of a setting: `--help` has its unit, variable, default and bounds.

    The value comes from `load_settings`, which knows the other sources, so it has none of its own.
    """

    def __init__(self, names: Sequence[str], /, *, field: FieldInfo, **attrs: Any) -> None:
        super().__init__(names, default=None, help=field.description, **attrs)
        self._field = field

    def make_metavar(self, ctx: click.Context) -> str:
        """The unit that the setting's name ends in, or the kind of value."""
        unit = _UNITS.get(str(self.name).rpartition("_")[2])
        return unit or super().make_metavar(ctx).removesuffix(" RANGE")

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """What stands in brackets."""
        default = self._field.default
        if isinstance(default, bool):
            shown = "on" if default else "off"
        else:
            shown = "none" if default in (None, "", ()) else f"{default}".removesuffix(".0")
        return {
            **super().get_help_extra(ctx),
            "envvars": (f"{ENV_PREFIX}{str(self.name).upper()}",),
            "default": shown,
        }


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each setting, under its heading."""
    for name, field in reversed(Settings.model_fields.items()):
        flag = f"--{name.replace('_', '-')}"
        option = click.option(
            f"{flag}/--no-{flag[2:]}" if field.annotation is bool else flag,
            name,
            cls=_SettingOption,
            field=field,
            type=_option_type(field),
        )
        command = under(heading_of(field), option)(command)
    for name in REPLACED:  # taken only to say what to do instead
        command = click.option(f"--{name.replace('_', '-')}", hidden=True)(command)
    return command


def _option_type(field: FieldInfo) -> click.ParamType[Any] | None:
    """Type of a setting's option: `--help` shows it, and click checks values against it."""
    kind, parts = field.annotation, get_args(field.annotation)
    if get_origin(kind) is Literal:
        return click.Choice(parts)
    if Path in (kind, *parts):
        return click.Path(path_type=Path)
    bounds: dict[str, Any] = {}
    for bound in field.metadata:
        bounds |= asdict(bound)
    if int in (kind, *parts):
        return click.IntRange(bounds.get("ge"), bounds.get("le"))
    if kind is float:
        lowest = bounds.get("ge", bounds.get("gt"))
        return click.FloatRange(lowest, bounds.get("le"), min_open="gt" in bounds)
    return None


@main.command(cls=HeadedCommand)
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@_settings_options
def serve(config: Path | None, **given: Any) -> None:
    """Serve the models of a repository over HTTP.

    Each option is a setting; it can also be given in the environment or in the TOML file.
    """
    from takt.server.listening import listening

    with contextlib.closing(LineWriter(sys.stderr)) as writer, contextlib.ExitStack() as opened:
        try:
            settings = load_settings(given, config=config)
            check_exposure(
                settings.host, knows_callers=settings.knows_callers, insecure=settings.insecure
            )
            sockets = opened.enter_context(listening(settings))
            configure_logging(settings.log_level, settings.log_format, writer)
            for warning in unknown_variables(settings.plugins):
                logger.warning(warning)
            if settings.workers > 1:
                from takt.server.workers.supervisor import supervise

                sys.exit(supervise(settings, sockets, partial(load_settings, given, config=config)))

            # These take seconds to load, and a port that is taken is told at once.
            from takt.app import create_app
            from takt.parts.composing.assembly import foundation_of
            from takt.recording.record import open_record
            from takt.server.run import run
            from takt.server.tls import open_tls

            record = open_record(settings.data_folder, settings.record)
            app = create_app(settings, write=writer.put, record=record)
            tls = open_tls(settings, foundation_of(app).metrics.access)
        except TaktError as error:
            raise click.ClickException(str(error)) from None
        run(app, settings, sockets, tls, ended=writer.close)
