"""Files, and Libcloud's deployments, over WinRM against the lab's server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from libcloud.compute.deployment import FileDeployment, MultiStepDeployment, ScriptDeployment

from libcloud_vsphere_clone.lab.winrm import LabWinRM
from libcloud_vsphere_clone.sessions.winrm.client import GuestWinRMClient
from tests.sessions.winrm.conftest import HOME


@pytest.mark.parametrize(
    ("path", "absolute", "kept"),
    [
        ("notes.txt", f"{HOME}\\notes.txt", "users/administrator/notes.txt"),
        ("new folder\\it's.txt", f"{HOME}\\new folder\\it's.txt", "users/administrator/new folder/it's.txt"),
        ("C:\\Windows\\Temp\\x.txt", "C:\\Windows\\Temp\\x.txt", "windows/temp/x.txt"),
        ("C:/Windows/Temp/x.txt", "C:\\Windows\\Temp\\x.txt", "windows/temp/x.txt"),
    ],
)
def test_put_sends_a_file_and_delete_removes_it(
    client: GuestWinRMClient, drive: Path, path: str, absolute: str, kept: str
) -> None:
    assert client.put(path, "one\n", chmod=0o600) == absolute
    assert client.put(path, "twö\n", mode="a") == absolute
    assert (drive / kept).read_text() == "one\ntwö\n"
    assert client.put(path, b"\0\xff") == absolute
    assert (drive / kept).read_bytes() == b"\0\xff"
    assert client.delete(path)
    with pytest.raises(FileNotFoundError):
        client.delete(path)


def test_a_file_is_sent_in_pieces(client: GuestWinRMClient, server: LabWinRM, drive: Path) -> None:
    data = bytes(range(256)) * 2000
    before = server.counts().actions["Create"]
    assert client.putfo("big.bin", io.BytesIO(data)) == f"{HOME}\\big.bin"
    assert (drive / "users/administrator/big.bin").read_bytes() == data
    assert server.counts().actions["Send"] == 8  # 7 pieces with the hash, and the end
    assert server.counts().actions["Create"] == before


def test_putfo_of_nothing_makes_an_empty_file(client: GuestWinRMClient, drive: Path) -> None:
    client.putfo("empty", None)
    assert (drive / "users/administrator/empty").read_bytes() == b""


def test_a_file_that_cannot_be_written(client: GuestWinRMClient, drive: Path) -> None:
    (drive / "users").write_text("in the way")
    with pytest.raises(OSError, match=r"could not write 'a\.txt' in 127\.0\.0\.1: (.|\n)*Error"):
        client.put("a.txt", "x")


def test_an_unknown_mode_is_refused(client: GuestWinRMClient) -> None:
    with pytest.raises(ValueError, match="mode 'x' is not known"):
        client.put("a.txt", "x", mode="x")


@pytest.mark.parametrize("name", ["C:\\Windows\\Temp\\x.ps1", "my scripts\\x.ps1", "x.CMD.cmd", None])
def test_libclouds_script_deployment_runs_unchanged(client: GuestWinRMClient, drive: Path, name: str | None) -> None:
    step = ScriptDeployment("echo $1-$2; echo no >&2; exit 5\n", args=["a", "b"], name=name, delete=True, timeout=120)
    step.run(None, client)  # type: ignore[arg-type]  # Libcloud only passes the node on
    assert (step.stdout, step.stderr, step.exit_status) == ("a-b\n", "no\n", 5)
    assert not [path for path in drive.rglob("*") if path.is_file()]


def test_libclouds_multi_step_deployment_runs_unchanged(client: GuestWinRMClient, drive: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("from here\n")
    script = ScriptDeployment("echo done", name="C:\\setup.ps1")
    MultiStepDeployment([FileDeployment(str(source), "C:\\app\\target.txt"), script]).run(None, client)  # type: ignore[arg-type]
    assert (drive / "app/target.txt").read_text() == "from here\n"
    assert (script.stdout, script.exit_status) == ("done\n", 0)
