"""Files in a guest, by VMware Tools.

Takes the guest operations of one VM; gives files written, read and removed, streamed both ways.
"""

from __future__ import annotations

import errno
import io
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from pyVmomi import vim

from ...errors import ConnectionFailedError, InvalidRequestError, TaskError
from ...vcenter.transfer import CHUNK_BYTES, download, upload
from .calls import GuestCalls
from .commands import parent
from .process import GuestProcesses

__all__ = ["GuestFiles"]

DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class GuestFiles:
    """The files that one user reaches in one guest; all paths are absolute."""

    calls: GuestCalls
    processes: GuestProcesses

    @property
    def windows(self) -> bool:
        return self.processes.windows

    def write(self, path: str, contents: str | bytes | IO[Any], chmod: int | None) -> None:
        """Write the contents into the file; missing folders are made.

        Its mode is set before any contents arrive. Without ``chmod`` a file that is there keeps its own.
        """
        with _sized(contents) as (file, size_bytes):
            url = self._following(path, lambda real: self._upload_url(real, chmod, size_bytes))
            try:
                upload(self.calls.session, self.calls.vm, url, file, size_bytes)
            except ConnectionFailedError as error:
                error.add_note(f"{path!r} may be cut short; is there room for {size_bytes:,} bytes in the guest?")
                raise

    def append(self, path: str, contents: str | bytes | IO[Any], chmod: int | None) -> None:
        """Write the contents to the end of the file.

        By a shell in the guest: what is in the file is not read, nor written again, so it cannot be lost half-way, and
        the file keeps owner, mode and links.
        """
        if self.windows:
            raise InvalidRequestError("mode 'a' is not there for Windows: put the whole file")
        with _sized(contents) as (file, size_bytes):
            result = self.processes.run(_append_command(path, chmod), None, file, size_bytes)
        if result.status:
            raise TaskError(
                f"could not append to {path!r} in {self.calls.name!r}: {result.stderr.strip() or 'no reason is known'}",
                action="append to a file",
                target=path,
            )

    def read(self, path: str, into: IO[bytes]) -> int:
        """Write the file into ``into``; how many bytes it has."""
        return download(self.calls.session, self.calls.vm, self._following(path, self.calls.download_url), into)

    def remove(self, path: str) -> None:
        self.calls.remove_file(path)

    def _upload_url(self, path: str, chmod: int | None, size_bytes: int) -> str:
        attributes = self._attributes(path, chmod)
        try:
            return self.calls.upload_url(path, attributes, size_bytes)
        except FileNotFoundError:
            self.calls.make_folders(parent(path, windows=self.windows))
            return self.calls.upload_url(path, attributes, size_bytes)

    def _following(self, path: str, ask: Callable[[str], str]) -> str:
        """The URL for a path; for a symbolic link, which no transfer takes, of the file behind it."""
        try:
            return ask(path)
        except OSError as error:
            if error.errno != errno.ELOOP or self.windows:
                raise
        real = self.processes.run(f"readlink -f -- {shlex.quote(path)}", None).stdout
        return ask(real.removesuffix("\n"))

    def _attributes(self, path: str, chmod: int | None) -> Any:
        if self.windows:
            return vim.vm.guest.FileManager.WindowsFileAttributes()
        if chmod is None:
            chmod = self.calls.permissions(path)
        return vim.vm.guest.FileManager.PosixFileAttributes(permissions=DEFAULT_MODE if chmod is None else chmod)


def _append_command(path: str, chmod: int | None) -> str:
    file, folder = shlex.quote(path), shlex.quote(parent(path, windows=False))
    steps = ["umask 022", f"mkdir -p -- {folder}", f": >>{file}", f"cat >>{file}"]
    if chmod is not None:
        steps.insert(3, f"chmod {chmod:o} -- {file}")  # before the contents: they may be secret
    # The user's own shell may be of another kind.
    return f"exec /bin/sh -c {shlex.quote(' && '.join(steps))}"


@contextmanager
def _sized(contents: str | bytes | IO[Any]) -> Iterator[tuple[IO[bytes], int]]:
    """The contents as a file of bytes, and their size, which a transfer has to announce.

    A stream whose size is unknown goes through a temporary file of this machine.
    """
    if isinstance(contents, str | bytes):
        content = contents.encode() if isinstance(contents, str) else contents
        yield io.BytesIO(content), len(content)
        return
    size_bytes = _size_left(contents)
    if size_bytes is not None:
        yield contents, size_bytes
        return
    with tempfile.TemporaryFile() as spool:
        _spool(contents, spool)
        size_bytes = spool.tell()
        spool.seek(0)
        yield spool, size_bytes


def _size_left(file: IO[Any]) -> int | None:
    """Bytes from where the file stands to its end; None for text and for what cannot be wound back."""
    try:
        if file.read(0) != b"" or not file.seekable():
            return None
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (AttributeError, OSError, TypeError):
        return None
    return end - here


def _spool(source: IO[Any], spool: IO[bytes]) -> None:
    if source.read(0) == b"":
        shutil.copyfileobj(source, spool, CHUNK_BYTES)
        return
    while text := source.read(CHUNK_BYTES):
        spool.write(text.encode())
