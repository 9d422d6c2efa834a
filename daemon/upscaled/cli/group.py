"""Which commands there are."""

import importlib

import click

import upscaled

# Loaded when they are used: `status` has to answer in a moment. Name → module of that command,
# in the order of `--help`.
COMMANDS = {
    "up": "up",
    "down": "up",
    "status": "status",
    "run": "run",
    "compare": "compare",
    "add": "add",
    "queue": "queue",
    "failed": "queue",
    "show": "queue",
    "why": "why",
    "retry": "control",
    "forget": "control",
    "bump": "control",
    "pause": "control",
    "resume": "control",
    "scan": "control",
    "reload": "control",
    "config": "config",
    "models": "models",
    "service": "service",
    "logs": "logs",
    "doctor": "doctor",
    "bench": "bench",
    "completion": "completion",
}
_GROUPS = {"config", "models", "service"}


class Commands(click.Group):
    """Imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            return None
        module = importlib.import_module(f"upscaled.cli.commands.{module_name}")
        attribute = f"{cmd_name}_group" if cmd_name in _GROUPS else f"{cmd_name}_command"
        command: click.Command = getattr(module, attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 (5 ms, for a slip alone)

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not close:
                raise
            text = f"{error.message} Did you mean {close[0]!r}?"
            raise click.UsageError(text, ctx) from error


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: upscaled up, then drop images into ~/Upscale/inbox.",
)
@click.version_option(upscaled.__version__, "-V", "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Watch folders and upscale the images that are dropped into them."""
