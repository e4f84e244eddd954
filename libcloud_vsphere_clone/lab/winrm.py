"""WinRM servers in a lab: the real protocol, in front of a program of this machine.

Takes a running lab and a program; gives a server's address, and what arrived there. There is no Windows in the lab:
the program gets each command line that a client sends, as its last argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from .control import LabControl

__all__ = ["LabWinRM", "WinRMCounts"]


@dataclass(frozen=True)
class WinRMCounts:
    """What arrived at a server since its start, and what is left there.

    :param actions: {verb such as ``Receive``: requests}, without the refused ones.
    :param refused: requests without a valid login.
    :param shells: shells that were not deleted.
    :param running: commands that have not ended.
    """

    actions: dict[str, int]
    refused: int
    shells: int
    running: int


@dataclass
class LabWinRM:
    """One server of a lab, with the lab's certificate; ``with`` stops it."""

    control: LabControl = field(repr=False)
    host: str
    port: int
    username: str
    password: str = field(repr=False)

    @classmethod
    def start(
        cls,
        control: LabControl,
        program: Sequence[str],
        *,
        username: str,
        password: str,
        client_ca: str | None = None,
        plain: bool = False,
        port: int = 0,
    ) -> Self:
        """Start a server; returns it once it answers.

        :param program: such as ``["/bin/sh", "-c"]``.
        :param client_ca: PEM text; a certificate of this CA logs in as the user.
        :param plain: http, to put something of the test's own in front.
        :param port: 0 is any free one.
        """
        login = {"username": username, "password": password, "client_ca": client_ca or ""}
        request = {"program": list(program), "plain": plain, "port": port, **login}
        answer = control.request("POST", "/v1/winrm", request)
        host, port = answer["address"].rsplit(":", 1)
        return cls(control, host, int(port), username, password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def counts(self) -> WinRMCounts:
        """What arrived so far."""
        answer = self.control.request("GET", self._path)
        return WinRMCounts(dict(answer["actions"]), answer["refused"], answer["shells"], answer["running"])

    def stop(self) -> None:
        """End the server and all that it runs."""
        self.control.request("DELETE", self._path)

    @property
    def _path(self) -> str:
        return f"/v1/winrm/{self.host}:{self.port}"
