"""The top-level group: finds commands without importing them all, and says what failed in one line."""

from __future__ import annotations

import errno
import logging
import signal
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

import click

INTERRUPTED = 128 + signal.SIGINT
"""The exit status after a Ctrl-C, as shells have it."""

_DEBUG = "libcloud_vsphere_clone.debug"

Command = TypeVar("Command", bound=Callable[..., Any])


class CommandGroup(click.Group):
    """A group whose commands are in modules of this package, imported when needed.

    :param modules: {command: the module that has it, under the same name}.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return None
        module = import_module(f".{self._modules[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """The command's result; every failure becomes a line on stderr and an exit status.

        Click's own say for wrong usage and for a closed pipe is as it should be.
        """
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.UsageError):
            raise
        except (KeyboardInterrupt, click.Abort) as interrupt:
            cause: BaseException = interrupt
            message, status = "; ".join(["interrupted", *notes_of(interrupt)]), INTERRUPTED
        except Exception as failure:
            if isinstance(failure, OSError) and failure.errno == errno.EPIPE:
                raise
            cause, message, status = failure, f"error: {_described(failure)}", 1
        if ctx.meta.get(_DEBUG):
            traceback.print_exception(cause)
        click.echo(message, err=True)
        raise click.exceptions.Exit(status)


def notes_of(failure: BaseException) -> list[str]:
    """What the driver added to an error on its way, such as what its clean-up had to leave."""
    return list(getattr(failure, "__notes__", []))


def debug_option(command: Command) -> Command:
    """``--debug``, for the group and for each command alike."""

    def switch_on(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.meta.get(_DEBUG):
            ctx.meta[_DEBUG] = True  # click shares it among a command and its groups
            _log_to_stderr()

    option = click.option(
        "--debug", is_flag=True, expose_value=False, callback=switch_on, help="Log calls; show errors' tracebacks."
    )
    return option(command)


def _log_to_stderr() -> None:
    logger = logging.getLogger("libcloud_vsphere_clone")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    click.get_current_context().find_root().call_on_close(lambda: logger.removeHandler(handler))


def _described(failure: Exception) -> str:
    from .output import describe_error

    return describe_error(failure)
