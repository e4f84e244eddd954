"""What is started in a guest. The Windows lines are compared with the documentation; no Windows has run them."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.tools.commands import (
    build_posix,
    build_powershell,
    build_windows,
    check_path,
    is_absolute,
    join,
    parent,
    read_head,
)


def start(folder: Path, command: str, *, live: bool = False) -> subprocess.Popen[bytes]:
    """The program, started as VMware Tools do: by bash, in a group of its own."""
    program = build_posix(str(folder), command, live=live)
    line = f"{program.path} {program.arguments}"
    return subprocess.Popen(["/bin/bash", "-c", line], cwd=folder, start_new_session=True)


def processes(columns: str = "args=") -> str:
    return subprocess.run(["ps", "-eo", columns], stdout=subprocess.PIPE, text=True, check=True).stdout


def wait_until(is_so: Callable[[], bool]) -> None:
    """Not for as long as what these tests start would go on by itself: a minute."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def left(folder: Path, name: str = "result") -> tuple[int, str, str, str]:
    """Status, home, stdout and stderr of what the supervisor left."""
    with (folder / name).open("rb") as file:
        head = read_head(file)
        return head.status, head.home, file.read(head.size).decode(), file.read().decode()


def test_the_supervisor_leaves_a_result(tmp_path: Path) -> None:
    assert start(tmp_path, "printf 'ä'; echo err >&2; cat; exit 9").wait(120) == 9
    assert left(tmp_path) == (9, str(tmp_path), "ä", "err\n")


def test_the_supervisor_gives_the_input(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("told\n")
    start(tmp_path, "cat").wait(120)
    assert left(tmp_path)[2] == "told\n"


def test_a_command_heeds_signals(tmp_path: Path) -> None:
    assert start(tmp_path, "kill -INT $$; echo ignored").wait(20) == 130
    assert left(tmp_path)[2] == ""


def test_a_command_of_what_xml_cannot_carry(tmp_path: Path) -> None:
    command = "printf '%s' 'a\rb\x1b[0m\x01' '\\\\n$HOME' '\udcff\ufffe' \"it's\""
    assert set(build_posix("/x", command).arguments) & set("\r\x1b\x01\udcff\ufffe") == set()
    start(tmp_path, command).wait(20)
    seen = (tmp_path / "result").read_bytes().split(b"\n", 2)[2]
    assert seen == b"a\rb\x1b[0m\x01" + b"\\\\n$HOME" + b"\xff" + "\ufffe".encode() + b"it's"


@pytest.mark.parametrize("path", ["a\rb", "\x1b", "\0", "\udcff"])
def test_a_path_that_no_request_carries(path: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot carry the character"):
        check_path(f"/root/{path}")
    check_path("/root/a b\n\tü\u2028\U0001f600")


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("output", ["echo out", "true"])
def test_on_a_full_disk_the_supervisor_leaves_no_half_result(tmp_path: Path, output: str, live: bool) -> None:
    (tmp_path / "part").symlink_to("/dev/full")
    assert start(tmp_path, f"{output}; exit 7", live=live).wait(20) == 7
    assert not (tmp_path / "result").exists()
    assert not (tmp_path / "piece0").exists()


def test_the_supervisor_leaves_pieces_while_output_is_taken(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    supervisor = start(tmp_path, "printf 'a\\303'; echo e >&2; cat fifo; printf '\\244b'; exit 5", live=True)
    wait_until((tmp_path / "piece0").exists)
    assert (tmp_path / "piece0").read_bytes() == b"0 2\n%s\na\303e\n" % bytes(tmp_path)
    (tmp_path / "fifo").open("w").close()
    assert supervisor.wait(120) == 5
    assert not (tmp_path / "piece1").exists()
    assert (tmp_path / "result").read_bytes() == b"5 2\n%s\n\244b" % bytes(tmp_path)


def test_the_pieces_are_the_whole(tmp_path: Path) -> None:
    command = "for i in $(seq 40); do seq $((i * 100)); echo $i >&2; sleep 0.05; done"
    start(tmp_path, command, live=True).wait(120)
    pieces = sorted(tmp_path.glob("piece*"), key=lambda path: int(path.name.removeprefix("piece")))
    outputs = [left(tmp_path, path.name)[2:] for path in [*pieces, tmp_path / "result"]]
    assert len(pieces) >= 2
    stdout, stderr = ("".join(part) for part in zip(*outputs, strict=True))
    assert stdout.split() == [str(n) for i in range(1, 41) for n in range(1, i * 100 + 1)]
    assert stderr.split() == [str(i) for i in range(1, 41)]


def test_the_supervisor_goes_when_its_folder_goes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    supervisor = start(folder, "echo up; sleep 60", live=True)
    wait_until((folder / "piece0").exists)
    supervisor.kill()
    supervisor.wait(120)
    shutil.rmtree(folder)
    wait_until(lambda: str(folder) not in processes())


def test_the_supervisor_ends_the_whole_group(tmp_path: Path) -> None:
    supervisor = start(
        tmp_path, "echo $$ > group; trap '' TERM; (trap '' TERM; sleep 60) & echo up; sleep 60; echo never"
    )
    while not (tmp_path / "out").exists() or not (tmp_path / "out").read_text():
        time.sleep(0.02)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(120) == 143
    assert left(tmp_path)[::2] == (143, "up\n")
    group = (tmp_path / "group").read_text().strip()
    # What is killed may take a moment to die.
    wait_until(lambda: group not in alive_groups())


def alive_groups() -> set[str]:
    """The process groups that have a member that is no zombie."""
    lines = processes("pgid=,stat=").splitlines()
    return {group for group, state in map(str.split, lines) if not state.startswith("Z")}


def test_a_second_supervisor_runs_nothing(tmp_path: Path) -> None:
    first = start(tmp_path, "echo once >> count; sleep 1")
    while not (tmp_path / "count").exists():
        time.sleep(0.02)
    assert start(tmp_path, "echo once >> count; sleep 1").wait(120) == 0
    assert first.wait(120) == 0
    assert (tmp_path / "count").read_text() == "once\n"


def test_without_its_folder_the_supervisor_runs_nothing(tmp_path: Path) -> None:
    program = build_posix("/nonexistent/folder", "touch ran")
    assert subprocess.run(["/bin/sh", "-c", f"{program.path} {program.arguments}"], cwd=tmp_path).returncode == 125
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", ["x" * 50_000, "a\0b", "'" * 12_000])
def test_what_cannot_be_started_is_refused(command: str) -> None:
    with pytest.raises(InvalidRequestError, match="the command has"):
        build_posix("/folder", command)


def _decoded(line: str) -> str:
    return base64.b64decode(line.rsplit(" ", 1)[1]).decode("utf-16-le")


def test_a_windows_command_runs_in_cmd() -> None:
    program = build_windows(r"C:\Temp\lc-1", "echo it's & exit 3")
    assert program.path.endswith(r"\powershell.exe")
    assert program.arguments.startswith("-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand ")
    folder, run, line, _, command = _decoded(program.arguments).splitlines()[:5]
    assert folder == r"$d = 'C:\Temp\lc-1'"
    assert run == "$run = 'chcp 65001 >nul & (cmd.exe /d /s /c !LIBCLOUD_COMMAND!) <' + 'nul'"
    assert line == r"""$line = '/d /s /v:on /c "' + $run + ' >"' + $d + '\out" 2>"' + $d + '\err""'"""
    assert command == """$start.EnvironmentVariables['LIBCLOUD_COMMAND'] = '"echo it''s & exit 3"'"""
    assert r"""<' + '"C:\Temp\lc-1\in"'""" in _decoded(build_windows(r"C:\Temp\lc-1", "more", has_input=True).arguments)
    assert len(build_windows(r"C:\Temp\lc-1", "x" * 6000).arguments) < 32_000


@pytest.mark.parametrize("command", ['echo (a) "b & c" | more > x', "echo it’s <input> <folder>", "echo %PATH% ^!"])  # noqa: RUF001
def test_a_windows_command_stays_as_it_is(command: str) -> None:
    [line] = [
        line for line in _decoded(build_windows("C:\\O'Brien", command).arguments).splitlines() if "_COMMAND']" in line
    ]
    quoted = line.partition(" = ")[2]
    assert quoted[0] + quoted[-1] == "''"
    assert quoted[1:-1].replace("’’", "’") == f'"{command}"'  # noqa: RUF001


def test_a_windows_command_has_one_line() -> None:
    assert "'\"dir\"'" in _decoded(build_windows("C:\\x", "dir\r\n").arguments)
    with pytest.raises(InvalidRequestError, match="several lines"):
        build_windows("C:\\x", "dir\nexit 3")


def test_a_powershell_script_is_sent_encoded() -> None:
    line = build_powershell('Write-Output "ü $env:TEMP"; cmd /c exit 3')
    assert line.isascii()
    assert 'Write-Output "ü $env:TEMP"' in _decoded(line)
    assert "exit $LASTEXITCODE" in _decoded(line)


def test_paths_of_windows_are_understood() -> None:
    assert [is_absolute(path, windows=True) for path in (r"C:\x", "c:/x", r"\\server\share", "x", "/x")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert join(r"C:\Users\ann", "x.ps1", windows=True) == r"C:\Users\ann\x.ps1"
    assert parent(r"C:\Users\ann\x.ps1", windows=True) == r"C:\Users\ann"
    assert (is_absolute("/x", windows=False), is_absolute("x", windows=False)) == (True, False)
