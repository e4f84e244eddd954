"""Files in a guest, over SFTP.

Takes a connected transport; gives files written and removed. Never changes the working folder: paths of one call
mean the same in the next.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import re
import stat
from collections.abc import Iterator
from typing import IO, Any

import paramiko

from ..steps import is_appended

__all__ = ["RemoteFiles"]

CHUNK_BYTES = 32 * 1024
FOLDER_MODE = 0o755
"""Not open to the group under any umask: sshd refuses keys in a ``.ssh`` that others may write to."""

FAILURE = "Failure"
"""OpenSSH's whole message for all that has no code of its own (SSH_FX_FAILURE), such as a full disk."""

WINDOWS_DRIVE = re.compile(r"/?[A-Za-z]:")


class RemoteFiles:
    """The files that the logged-in user reaches.

    Source: draft-ietf-secsh-filexfer-02, which OpenSSH implements.
    """

    def __init__(self, transport: paramiko.Transport) -> None:
        client = paramiko.SFTPClient.from_transport(transport)
        if client is None:
            raise paramiko.SSHException("the server opened no channel")
        self._client = client
        self._home: str | None = None

    @property
    def closed(self) -> bool:
        channel = self._client.get_channel()
        return channel is None or channel.closed

    def write(self, path: str, contents: str | bytes | IO[Any], chmod: int | None, mode: str) -> str:
        """Write the contents into a file, or (mode ``a``) to its end; its absolute path."""
        kind = "a" if is_appended(mode) else "w"
        absolute = self._absolute(path)
        with self._explained("write", absolute), self._open(absolute, kind) as file:
            if chmod is not None:
                file.chmod(chmod)  # before the contents: they may be secret
            _write_all(file, _chunks(contents))
        return absolute

    def read(self, path: str, target: IO[bytes]) -> None:
        """Write the file's contents to an open one; reads ahead, but no further than it needs to."""
        absolute = self._absolute(path)
        with self._explained("read", absolute):
            self._client.getfo(absolute, target)

    def remove(self, path: str) -> None:
        self._client.remove(self._absolute(path))

    @contextlib.contextmanager
    def _explained(self, action: str, path: str) -> Iterator[None]:
        """OpenSSH says no more than "Failure" of much that goes wrong inside; what it most likely was."""
        try:
            yield
        except OSError as error:
            if error.errno is not None or str(error) != FAILURE:
                raise
            if stat.S_ISDIR(self._client.stat(path).st_mode or 0):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from error
            reason = f"the guest says no more than {FAILURE!r}; is its disk full?"
            raise OSError(f"could not {action} {path!r}: {reason}") from error

    def _absolute(self, path: str) -> str:
        """As Libcloud: absolute paths, of Windows too, stay as they are; others are put below the home."""
        if "\0" in path:
            raise ValueError(f"the path {path!r} has a NUL character in it")
        if path.startswith(("/", "\\")) or WINDOWS_DRIVE.match(path):
            return path
        if self._home is None:
            home = self._client.normalize(".")
            self._home = home[1:] if WINDOWS_DRIVE.match(home) else home
        return posixpath.join(self._home, path)

    def _open(self, path: str, mode: str) -> paramiko.SFTPFile:
        try:
            return self._client.open(path, mode)
        except FileNotFoundError:
            self._make_folders(posixpath.dirname(path))
            return self._client.open(path, mode)

    def _make_folders(self, folder: str) -> None:
        if folder in ("", "/") or self._exists(folder):
            return
        self._make_folders(posixpath.dirname(folder))
        with contextlib.suppress(OSError):  # made by another program meanwhile; else the open that follows says why
            self._client.mkdir(folder, FOLDER_MODE)

    def _exists(self, path: str) -> bool:
        try:
            self._client.stat(path)
        except FileNotFoundError:
            return False
        return True


def _write_all(file: paramiko.SFTPFile, chunks: Iterator[bytes]) -> None:
    """Write the chunks without waiting for each answer, but for the last: only then paramiko reads the others too, and
    an error of one is no longer lost.
    """
    file.set_pipelined(True)
    last = b""
    for chunk in chunks:
        file.write(last)
        last = chunk
    file.set_pipelined(False)
    file.write(last)


def _chunks(contents: str | bytes | IO[Any]) -> Iterator[bytes]:
    if isinstance(contents, str | bytes):
        contents = io.BytesIO(contents.encode() if isinstance(contents, str) else contents)
    while chunk := contents.read(CHUNK_BYTES):
        yield chunk.encode() if isinstance(chunk, str) else chunk
