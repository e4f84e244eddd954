"""Commands run in a guest by its VMware Tools.

Takes the guest operations of one VM and a command; gives its result. Each command has a private temporary folder in the
guest, removed in the end, also of one that failed. Polls, as only the guest can say that a program has ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from libcloud.compute.ssh import SSHCommandTimeoutError
from pyVmomi import vim

from ...errors import ConnectionFailedError, VsphereError
from ...vcenter.transfer import upload
from ..output import Listener
from .calls import GuestCalls
from .commands import INPUT, Program, Result, build_posix, build_windows, join
from .output import CommandOutput

__all__ = ["GuestProcesses"]

log = logging.getLogger(__name__)

FIRST_POLL_S, POLL_FACTOR, LONGEST_POLL_S = 0.05, 1.6, 1.0
END_WITHIN_S = 10.0
"""Seconds for an ended program to be gone: the guest itself kills what does not heed a SIGTERM for five."""

UNANSWERED_S = 15.0
"""Seconds for which tools may leave polls unanswered while a program runs: a guest under load does."""

STARTS = 3
"""How often a start is asked for when its replies are lost."""

TASKKILL = r"C:\Windows\System32\taskkill.exe"


@dataclass(frozen=True)
class GuestProcesses:
    """What runs commands in one guest as one user."""

    calls: GuestCalls
    windows: bool = False

    def run(
        self,
        command: str,
        timeout_s: float | None,
        contents: IO[bytes] | None = None,
        size_bytes: int = 0,
        listener: Listener | None = None,
    ) -> Result:
        """Run a command; what it wrote, and its exit status: of one that a signal ended, 128 and the signal's number.

        :param contents: its standard input, of ``size_bytes`` bytes; None is empty.
        :param listener: is given the output, as it comes, instead.
        :raises SSHCommandTimeoutError: with what it wrote so far; it was ended, with all that it had started.
        :raises ConnectionFailedError: the tools do not answer any more.
        :raises TaskError: the command ended without a trace, as after a reboot of the guest.
        """
        with self._temporary_folder() as folder:
            if contents is not None:
                attributes = vim.vm.guest.FileManager.FileAttributes()
                url = self.calls.upload_url(join(folder, INPUT, windows=self.windows), attributes, size_bytes)
                upload(self.calls.session, self.calls.vm, url, contents, size_bytes)
            output = CommandOutput(self.calls, folder, listener, windows=self.windows)
            program = self._program(folder, command, has_input=contents is not None, live=listener is not None)
            exit_code, ended = self._watch(program, folder, timeout_s, output.follow)
            result = output.result(exit_code, ended=ended)
        if not ended:
            raise SSHCommandTimeoutError(command, timeout_s, result.stdout, result.stderr)  # type: ignore[arg-type]
        return result

    def _program(self, folder: str, command: str, *, has_input: bool, live: bool) -> Program:
        if self.windows:
            return build_windows(folder, command, has_input=has_input)
        return build_posix(folder, command, live=live)

    def _watch(
        self, program: Program, folder: str, timeout_s: float | None, look: Callable[[], None]
    ) -> tuple[int | None, bool]:
        """Run the program; its exit code, if it is known, and whether it ended by itself.

        It is not left running where that can be helped: not over its time, nor when the wait is interrupted or its
        output cannot be fetched.
        """
        marker, pid = program.arguments if self.windows else folder, None
        try:
            pid = self._start(program, marker)
            exit_code, ended = self._wait(pid, timeout_s, look)
        except BaseException:
            try:
                self._end(marker, pid)
            except (VsphereError, OSError) as error:
                log.warning("the command in %r may go on: %s", self.calls.name, error)
            raise
        if not ended:
            self._end(marker, pid)
        return exit_code, ended

    @contextmanager
    def _temporary_folder(self) -> Iterator[str]:
        folder = self.calls.make_temporary_folder("libcloud-")
        try:
            yield folder
        finally:
            self._remove(folder)

    def _remove(self, folder: str) -> None:
        """Remove the folder, as far as the guest still answers. Removing twice is harmless."""
        for _ in range(2):
            try:
                self.calls.remove_folder(folder)
            except FileNotFoundError:
                return
            except ConnectionFailedError as error:
                log.info("the temporary folder %s is not removed yet: %s", folder, error)
            except (VsphereError, OSError) as error:
                log.warning("the temporary folder %s in %r remains: %s", folder, self.calls.name, error)
                return
            else:
                return

    def _start(self, program: Program, marker: str) -> int:
        """Start the program; its process id.

        A reply that was lost may hide a program that runs: it is looked for before it is asked for again, and if it
        comes up late after all, the supervisor sees that there are two.
        """
        for left in reversed(range(STARTS)):
            try:
                return self.calls.start(program.path, program.arguments)
            except ConnectionFailedError as error:
                found = self._find(marker)
                if found:
                    return found[0]
                if not left or self.windows:
                    raise
                log.info("the program is started again: %s", error)
        raise AssertionError("unreachable")

    def _find(self, marker: str) -> list[int]:
        """The processes that have this on their command lines: the supervisor, and maybe the shell that started it."""
        running = (info for info in self.calls.processes() if info.endTime is None)
        return sorted(int(info.pid) for info in running if marker in (info.cmdLine or ""))

    def _wait(
        self, pid: int, timeout_s: float | None, look: Callable[[], None] | None = None
    ) -> tuple[int | None, bool]:
        """Wait for a program; its exit code, if it is known, and whether it has ended.

        :param look: what else to do each time that it is found running.
        """
        deadline = time.monotonic() + timeout_s if timeout_s else float("inf")
        delay_s, heard = FIRST_POLL_S, time.monotonic()
        while True:
            time.sleep(max(0.0, min(delay_s, deadline - time.monotonic())))
            try:
                [info] = self.calls.processes(pid) or [None]
                if info is None or info.endTime is not None:
                    return (None if info is None else info.exitCode), True
                if look is not None:
                    look()
                heard = time.monotonic()
            except ConnectionFailedError:
                if time.monotonic() - heard > UNANSWERED_S:
                    raise
            if time.monotonic() >= deadline:
                return None, False
            delay_s = min(LONGEST_POLL_S, delay_s * POLL_FACTOR)

    def _end(self, marker: str, pid: int | None) -> None:
        """End the supervisor, and it the command.

        Where the guest's bash is no bash, ``pid`` is that of a shell between VMware Tools and the supervisor
        (GuestProgramSpec.programPath), so the supervisor is looked for.

        :param pid: None when the start was perhaps not even answered.
        """
        supervisors = [pid] if self.windows and pid is not None else self._find(marker)
        for supervisor in supervisors:
            if self.windows:
                self._wait(self.calls.start(TASKKILL, f"/PID {supervisor} /T /F"), END_WITHIN_S)
            else:
                self.calls.terminate(supervisor)
        for process in {*supervisors, *([] if pid is None else [pid])}:
            self._wait(process, END_WITHIN_S)
