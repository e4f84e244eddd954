"""The top-level group: finds commands without importing them all, and says what failed in one line."""

from __future__ import annotations

import atexit
import errno
import gc
import logging
import signal
import traceback
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, TypeVar

import click

from .error_messages import describe_error, notes_of

INTERRUPTED = 128 + signal.SIGINT
"""The exit status after a Ctrl-C, as shells have it."""

OBJECTS_PER_COLLECTION = 100_000
"""New objects between two searches for garbage: at Python's own 700 they take a third of pyVmomi's import, whose
descriptions of types all stay."""

_DEBUG = "libcloud_vsphere_clone.debug"

Command = TypeVar("Command", bound=Callable[..., Any])


class CommandGroup(click.Group):
    """A group whose commands are modules of ``commands``, imported when needed.

    :param names: of the commands; module and function have the same name, with _ for -.
    """

    def __init__(self, *args: Any, names: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = names

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as this process's program, which is short: garbage is searched for less often, and not at the end."""
        gc.set_threshold(OBJECTS_PER_COLLECTION, *gc.get_threshold()[1:])
        atexit.register(gc.freeze)  # registered first, it runs last: after it the process's memory goes as a whole
        return super().__call__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._names:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f".commands.{name}", __package__), name)
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
            cause, message, status = failure, f"error: {describe_error(failure)}", 1
        if ctx.meta.get(_DEBUG):
            traceback.print_exception(cause)
        click.echo(message, err=True)
        raise click.exceptions.Exit(status)


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
