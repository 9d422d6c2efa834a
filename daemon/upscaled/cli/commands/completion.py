"""`upscaled completion`: what makes the Tab key know the commands, rules and jobs."""

import click
from click.shell_completion import get_completion_class

from upscaled.cli.options import unread_config_option
from upscaled.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print completion for a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@unread_config_option
def completion_command(shell: str) -> None:
    """Print what makes SHELL complete commands, options, rules, job ids and models.

    \b
    Examples:
      upscaled completion bash > ~/.local/share/bash-completion/completions/upscaled
      upscaled completion zsh > ~/.zfunc/_upscaled
      upscaled completion fish > ~/.config/fish/completions/upscaled.fish
    """
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root()
    if kind is None:  # click knows these three
        raise UsageError(f"click does not know {shell}", hint="upscaled completion bash")
    click.echo(kind(root.command, {}, "upscaled", "_UPSCALED_COMPLETE").source())
