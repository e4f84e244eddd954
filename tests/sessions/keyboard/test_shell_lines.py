"""``guest/shell_lines.py``: the lines do in a real shell what they are for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from pathlib import Path
from typing import IO

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.keyboard.shell_lines import (
    MAX_FILE_BYTES,
    MAX_LINE,
    absolute_path,
    delete_lines,
    write_lines,
)

SCRIPT = "".join(f"echo line {number} of a script\n" for number in range(2000)).encode()
NOISE = os.urandom(6000)


def typed(lines: list[str], home: Path) -> None:
    """A shell reads the lines as it does from a terminal, with a umask that gives nothing away for free."""
    text = "".join(f"{line}\n" for line in ["umask 002", *lines])
    subprocess.run(["sh", "-eu"], input=text, text=True, check=True, cwd="/", env={**os.environ, "HOME": str(home)})


@pytest.mark.parametrize(
    "contents", [b"", b"x", b"line\n\ttab 'quote' $HOME !! \\\n", NOISE, SCRIPT[:300], SCRIPT, NOISE + SCRIPT[:9000]]
)
@pytest.mark.parametrize("path", ["plain", "new/folder/it's $HOME", "{}/absolute/file"])
def test_lines_write_a_file_of_any_contents(tmp_path: Path, path: str, contents: bytes) -> None:
    path = path.format(tmp_path)
    lines = write_lines(path, contents, 0o640, append=False)
    assert all(len(line) <= MAX_LINE for line in lines)
    typed(lines, tmp_path)
    file = tmp_path / path
    assert file.read_bytes() == contents
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.parent == tmp_path or file.parent.stat().st_mode & 0o777 == 0o755
    typed(write_lines(path, b"new", None, append=True), tmp_path)
    assert file.read_bytes() == contents + b"new"
    typed(write_lines(path, b"newest", None, append=False), tmp_path)
    assert file.read_bytes() == b"newest"
    typed(delete_lines(path), tmp_path)
    typed(delete_lines(path), tmp_path)
    assert not file.exists()


def test_what_can_be_compressed_takes_fewer_keys() -> None:
    lines = write_lines("script", SCRIPT, None, append=False)
    assert len("".join(lines)) < len(SCRIPT) / 3
    assert "gunzip" not in "".join(write_lines("noise", NOISE + b"short", None, append=False))


@pytest.mark.parametrize("shell", ["bash --norc -i", "sh -i"])
def test_shells_at_a_terminal(tmp_path: Path, shell: str) -> None:
    """One edits its lines, with completion and history; the other leaves that to the terminal."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "HOME": str(tmp_path), "TERM": "linux"}
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            shell.split(), stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        lines = [*write_lines("a/b c.sh", NOISE + b"\techo !! $HOME\n" + SCRIPT[:9000], 0o700, append=False), "exit"]
        reading = threading.Thread(target=_read_to_its_end, args=[terminal])
        reading.start()
        for line in lines:
            terminal.write(f"{line}\r".encode())
        process.wait(timeout=120)
        reading.join(timeout=120)
    assert (tmp_path / "a/b c.sh").read_bytes() == NOISE + b"\techo !! $HOME\n" + SCRIPT[:9000]


def _read_to_its_end(terminal: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # EIO: the shell has left it
        while terminal.read(4096):
            pass


@pytest.mark.parametrize(
    ("path", "absolute"), [("a", "~/a"), (".ssh/x", "~/.ssh/x"), ("/a", "/a"), ("~/a", "~/a"), ("~x/a", "~/~x/a")]
)
def test_a_path_becomes_absolute(path: str, absolute: str) -> None:
    assert absolute_path(path) == absolute


def test_a_file_too_big_to_type_is_refused() -> None:
    write_lines("big", bytes(MAX_FILE_BYTES), None, append=False)
    with pytest.raises(InvalidRequestError, match=r"big: 65537 bytes are too many to type, at most 65536"):
        write_lines("big", bytes(MAX_FILE_BYTES + 1), None, append=False)


@pytest.mark.parametrize("path", ["a\nb", "x" * 5000])
def test_paths_that_no_line_can_have(path: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be typed as a path"):
        delete_lines(path)
