"""A client that types lines for a shell, for Libcloud's deployments: texts, commands and files in, keys out.

Knows no vCenter: it is given the console to type on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ...console.keystrokes import KeyStroke, Pause, parse_keys, parse_text
from ...console.layouts import find_layout
from ...errors import TaskTimeoutError
from ..steps import is_appended
from .shell_lines import absolute_path, delete_lines, write_lines

__all__ = ["NO_STATUS", "TypingClient"]

NO_STATUS = -1
"""The exit status of a command whose end cannot be seen; over SSH it means the same. Zero would claim success."""

LOGIN_WAIT_S = 3.0
"""Seconds for a guest to ask for the password, and again to start the shell."""


class Keys(Protocol):
    """Something that key events can be typed on."""

    def type(self, events: Sequence[KeyStroke | Pause], *, timeout_s: float | None = None) -> None: ...


class TypingClient(BaseSSHClient):
    """A client that types on a console whose screen it cannot see.

    ``put``, ``run`` and ``delete`` type lines for a Linux shell in which a user is logged in already, by hand or with
    ``log_in``; contents need ``base64`` and ``gunzip`` there. What is typed while a command runs waits in the terminal,
    which keeps 4095 characters and drops more: a slow script should be the last step, and no script may read its
    input. A step that failed half-way is half typed: it should not be tried again by itself.

    :param hostname: what to call the VM.
    :param layout: the guest's keyboard: ``us``, ``de``, ``fr``, or ``{character: (usage id, modifiers)}``.
    """

    def __init__(
        self, console: Keys, hostname: str, *, layout: str | Mapping[str, Any] = "us", username: str = "root"
    ) -> None:
        super().__init__(hostname, 0, username)
        self._layout = find_layout(layout)
        self._console = console

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hostname})"

    def type(self, text: str, *, secret: bool = False) -> None:
        """Type the text as it is; a line end is Enter.

        :param secret: no character of it may stand in an error.
        :raises InvalidRequestError: the layout lacks characters, all of which are named; nothing was typed.
        """
        self._console.type(parse_text(text, self._layout, secret=secret))

    def type_keys(self, notation: str, *, secret: bool = False) -> None:
        """Type text with keys in Packer's notation: ``root<enter><wait2>``, ``<leftCtrlOn>c<leftCtrlOff>``.

        :raises InvalidRequestError: a key is not known, or the layout lacks characters; nothing was typed.
        """
        self._console.type(parse_keys(notation, self._layout, secret=secret))

    def log_in(self, username: str, password: str, *, wait_s: float = LOGIN_WAIT_S) -> None:
        """Type a user name and a password at a console's log-in prompt. Whether that succeeds cannot be seen.

        :param wait_s: seconds for the guest to ask for the password, and again to start the shell.
        :raises InvalidRequestError: the layout lacks characters; nothing was typed.
        """
        answers = [parse_text(f"{username}\n", self._layout), parse_text(f"{password}\n", self._layout, secret=True)]
        for answer in answers:
            self._console.type((*answer, Pause(wait_s)))

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Type the command and Enter; always ``("", "", -1)``, since neither its output nor its end can be seen.

        :param timeout: seconds for the typing; None or 0 for no limit.
        :raises SSHCommandTimeoutError: it is not all typed by then.
        """
        strokes = parse_text(f"{cmd}\n", self._layout)
        try:
            self._console.type(strokes, timeout_s=timeout or None)
        except TaskTimeoutError as error:
            raise SSHCommandTimeoutError(cmd, timeout, "", "") from error  # type: ignore[arg-type]
        return "", "", NO_STATUS

    def put(self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Type the lines that write the contents into a file, or (mode ``a``) to its end; its path.

        :param path: relative ones start in the user's home, and come back with ``~/`` before them; missing folders
            are made.
        :raises InvalidRequestError: it is too much to type, or the layout lacks characters; nothing was typed.
        """
        data = contents.encode() if isinstance(contents, str) else contents or b""
        self._type_lines(write_lines(path, data, chmod, append=is_appended(mode)))
        return absolute_path(path)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Type a file from an open one, as ``put`` does."""
        return self.put(path, fo.read() if fo else b"", chmod)

    def delete(self, path: str) -> bool:
        """Type the line that removes the file, whether there is one or not; True."""
        self._type_lines(delete_lines(path))
        return True

    def close(self) -> bool:
        """Do nothing, as nothing is open; True."""
        return True

    def _type_lines(self, lines: Sequence[str]) -> None:
        self.type("".join(f"{line}\n" for line in lines))
