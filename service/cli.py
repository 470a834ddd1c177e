"""The `takt` command: serves; and finds the offline commands through entry points."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from service.errors import TaktError
from service.log import configure_logging
from service.settings import ENV_PREFIX, Settings, load_settings

COMMANDS = "takt.commands"


class _Commands(click.Group):
    """The commands here, and those that other packages register under `takt.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = importlib.metadata.entry_points(group=COMMANDS).names
        return sorted({*super().list_commands(ctx), *found})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        found = importlib.metadata.entry_points(group=COMMANDS, name=cmd_name)
        for entry_point in found:
            try:
                command: click.Command = entry_point.load()
            except ModuleNotFoundError as error:
                raise click.ClickException(
                    f"`takt {cmd_name}` needs {error.name}, which a server install leaves out: "
                    "pip install 'takt[export]'"
                ) from None
            return command
        return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="takt")
def main() -> None:
    """Real-time visual inspection: fit, export and serve anomaly detectors."""


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each setting, with its description, default and variable."""
    for name, field in reversed(Settings.model_fields.items()):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(
            f"{flag}/--no-{flag[2:]}" if field.annotation is bool else flag,
            name,
            default=None,
            help=f"{field.description}  [{ENV_PREFIX}{name.upper()}; default: {field.default}]",
        )(command)
    return command


@main.command()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@_settings_options
def serve(config: Path | None, **given: Any) -> None:
    """Serve the models of a repository over HTTP.

    Each option is a setting; it can also be given in the environment or in the TOML file.
    """
    import uvicorn

    from service.app import create_app

    try:
        settings = load_settings(given, config=config)
        app = create_app(settings)
    except TaktError as error:
        raise click.ClickException(str(error)) from None
    configure_logging(settings.log_level)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.drain_timeout_s) or None,
        server_header=False,
    )
