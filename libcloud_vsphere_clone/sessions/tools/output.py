"""What a command writes in a guest, fetched by VMware Tools.

Takes the temporary folder of one command; gives its output, piece by piece while it runs where there is a listener, and
its result. Holds little in memory where there is a listener. What lies in the folder: ``supervisors.py``.
"""

from __future__ import annotations

import tempfile
from typing import IO

from ...errors import TaskError
from ...vcenter.transfer import CHUNK_BYTES, download
from ..output import Listener, Output
from .calls import GuestCalls
from .commands import OUTPUTS, PIECE, RESULT, Result, join, read_head

__all__ = ["CommandOutput"]

IN_MEMORY_BYTES = 1024 * 1024
"""Of a piece; a larger one goes through a temporary file of this machine."""


class CommandOutput:
    """What the supervisor of one command leaves in its temporary folder.

    :param listener: is given the output as it comes; without one it is in the result.
    """

    def __init__(self, calls: GuestCalls, folder: str, listener: Listener | None, *, windows: bool) -> None:
        self._calls, self._folder, self._windows = calls, folder, windows
        self._output = Output(listener=listener)
        self._taken = 0
        self._passed = [0, 0]

    def follow(self) -> None:
        """Pass on what was written since the last call, where there is a listener.

        One round trip, and two more for each piece. A Windows leaves no pieces: there it all comes with the result.
        """
        if self._output.listener is None or self._windows:
            return
        while (piece := self._fetch(f"{PIECE}{self._taken}")) is not None:
            with piece:
                self._add_both(piece, read_head(piece).size)
            self._taken += 1

    def result(self, exit_code: int | None, *, ended: bool) -> Result:
        """Fetch what the supervisor left in the end.

        Of one that could not write it, being ended by force or with a full disk, it is what there is.

        :param exit_code: as VMware Tools know it.
        :raises TaskError: it ended without a trace.
        """
        self.follow()
        status, home = -1 if exit_code is None else int(exit_code), ""
        left = self._fetch(RESULT)
        if left is not None:
            with left:
                status, size, home = read_head(left)
                self._add_both(left, size)
        elif ended and exit_code is None:
            raise TaskError(
                f"the command in {self._calls.name!r} ended without a trace: was the guest rebooted, or its temporary "
                "folder cleared?",
                action="run a command",
                target=self._calls.name,
            )
        else:
            self._add_rest()
        return Result(status, home, self._output.stdout, self._output.stderr)

    def _add_rest(self) -> None:
        for number, name in enumerate(OUTPUTS):
            whole = self._fetch(name)
            if whole is not None:
                with whole:
                    whole.seek(self._passed[number])
                    self._add(whole, number)

    def _add_both(self, file: IO[bytes], stdout_size: int) -> None:
        self._add(file, 0, stdout_size)
        self._add(file, 1)

    def _add(self, file: IO[bytes], number: int, size: int | None = None) -> None:
        """Add so many bytes, or all that is left, to stdout (0) or stderr (1)."""
        left = float("inf") if size is None else size
        while left and (chunk := file.read(int(min(left, CHUNK_BYTES)))):
            self._output.add(chunk, is_error=number == 1)
            self._passed[number] += len(chunk)
            left -= len(chunk)

    def _fetch(self, name: str) -> IO[bytes] | None:
        """Fetch the file of this name; at its beginning. None when there is none.

        The listener is told of it later: what it raises must not be taken for an error of the transfer.
        """
        try:
            url = self._calls.download_url(join(self._folder, name, windows=self._windows))
        except FileNotFoundError:
            return None
        file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        try:
            download(self._calls.session, self._calls.vm, url, file)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file
