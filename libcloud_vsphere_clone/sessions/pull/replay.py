"""A guest's report, played back as an SSH session.

Takes what was recorded and what the guest reported; gives a client over which the same deployment ends as it would
have over SSH: with the real statuses and outputs, and with the real errors. Nothing is sent.
"""

from __future__ import annotations

import errno
import os
from typing import IO, Any, TypeVar

from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ...errors import InvalidRequestError, TaskError
from ..steps import Delete, Put, Run, Step
from .recording import Recording
from .report import Report, StepResult

__all__ = ["ReplayClient", "replay"]

Kind = TypeVar("Kind", Put, Run, Delete)


def replay(recording: Recording, report: Report) -> ReplayClient:
    """A connected client for ``deployment.run(node, client)``, with the deployment that was recorded."""
    return ReplayClient(recording, report)


class ReplayClient(BaseSSHClient):
    """Answers from the report. After an error it starts at the first step again, as the deployment would."""

    def __init__(self, recording: Recording, report: Report) -> None:
        super().__init__("nowhere", username=recording.username)
        self._steps, self._report = recording.steps, report
        self._done = 0

    def connect(self) -> bool:
        """Begin at the first step; True."""
        self._done = 0
        return True

    def put(self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Replay the writing of a file; its absolute path in the guest.

        :raises OSError: the guest could not write it.
        """
        step, result = self._next(Put)
        if result.exit_status:
            self._done = 0
            raise _file_error(step.path, result)
        return path if path.startswith("/") else f"{self._report.home.rstrip('/')}/{path}"

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Replay the writing of a file, as ``put`` does."""
        return self.put(path, None, chmod)

    def delete(self, path: str) -> bool:
        """True.

        :raises FileNotFoundError: there was none.
        """
        step, result = self._next(Delete)
        if result.exit_status:
            self._done = 0
            raise _file_error(step.path, result)
        return True

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Replay a command; what it wrote in the guest, and its exit status.

        :raises SSHCommandTimeoutError: it took too long there, and was ended.
        """
        step, result = self._next(Run)
        if result.timed_out:
            self._done = 0
            raise SSHCommandTimeoutError(cmd, step.timeout_s, result.stdout, result.stderr)  # type: ignore[arg-type]
        return result.stdout, result.stderr, result.exit_status

    def close(self) -> bool:
        """True."""
        return True

    def _next(self, kind: type[Kind]) -> tuple[Kind, StepResult]:
        number, self._done = self._done, self._done + 1
        step: Step | None = self._steps[number] if number < len(self._steps) else None
        if not isinstance(step, kind):
            raise InvalidRequestError("the deployment is not the one that the guest carried out: it was changed since")
        if number >= len(self._report.results):
            raise TaskError(
                f"the guest ended the deployment before step {number + 1} of {len(self._steps)}; its "
                "/var/log/cloud-init.log may say why",
                action="deploy",
            )
        return step, self._report.results[number]


def _file_error(path: str, result: StepResult) -> OSError:
    """What SFTP would have raised."""
    words = result.stderr.strip() or f"exit status {result.exit_status}"
    codes = {code: os.strerror(code) for code in (errno.ENOENT, errno.EACCES)}
    number = next((code for code, text in codes.items() if text in words), None)
    return OSError(words) if number is None else OSError(number, words, path)
