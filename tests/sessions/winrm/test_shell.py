"""The remote shell itself: what a session over WinRM does not show."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.powershell import encoded_command, upload_script
from libcloud_vsphere_clone.sessions.winrm.login import WinRMLogin
from libcloud_vsphere_clone.sessions.winrm.shell import RemoteShell
from tests.sessions.winrm.winrm_servers import windows


@pytest.fixture
def shell(bare_lab: Lab, tmp_path: Path) -> Iterator[RemoteShell]:
    with bare_lab.start_winrm(windows(tmp_path), password="secret") as server:
        login = WinRMLogin(
            server.host, server.port, server.username, "secret", True, "basic", bare_lab.ca_cert, None, {}
        )
        opened = RemoteShell(login, connect_timeout_s=60, answer_timeout_s=60)
        yield opened
        opened.close()


def test_input_comes_as_lines(shell: RemoteShell) -> None:
    outcome = shell.run("cat", 120, [b"one", b"two"])
    assert (outcome.stdout, outcome.exit_status) == ("one\r\ntwo\r\n", 0)


def test_a_command_that_reads_nothing(shell: RemoteShell) -> None:
    outcome = shell.run("exec <&-; echo no; exit 3", 120, [b"x" * 1000] * 3)
    assert (outcome.stdout, outcome.exit_status) == ("no\n", 3)


def test_a_damaged_upload_leaves_the_file_alone(shell: RemoteShell, tmp_path: Path) -> None:
    line = encoded_command(upload_script("C:\\a.txt", append=False))
    outcome = shell.run(line, 120, [base64.b64encode(b"new"), b"=" + b"0" * 64])
    assert (outcome.exit_status, outcome.stderr) == (1, "the file came damaged\n")
    assert not (tmp_path / "a.txt").exists()


def test_errors_as_xml_become_text(shell: RemoteShell) -> None:
    xml = (
        "#< CLIXML\n<Objs Version='1.1.0.1' xmlns='http://schemas.microsoft.com/powershell/2004/04'>"
        "<S S='Error'>it broke_x000D__x000A_</S></Objs>"
    )
    assert shell.run(f'printf "%s" "{xml}" >&2', 120).stderr == "it broke\r\n"


def test_xml_is_only_what_begins_as_xml(shell: RemoteShell) -> None:
    heard: list[bytes] = []
    shell.run("printf '#< CLI' >&2; sleep 0.3; printf 'mb' >&2", 120, listener=lambda piece, _: heard.append(piece))
    assert b"".join(heard) == b"#< CLImb"
    assert shell.run("printf '#< CLIXML' >&2", 120).stderr == "#< CLIXML"
