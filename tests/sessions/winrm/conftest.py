"""The lab's WinRM server, which speaks the real protocol over TLS, and clients of it.

Behind it is a stand-in for Windows (windows_stand_in.py), so what is shown is the transport: not PowerShell's own ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.winrm import LabWinRM
from libcloud_vsphere_clone.sessions.winrm.client import GuestWinRMClient
from tests.sessions.winrm.winrm_servers import windows

PASSWORD = "Right-0ne!"
HOME = "C:\\Users\\Administrator"
NewClient = Callable[..., GuestWinRMClient]


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """What stands for C: in the guest."""
    folder = tmp_path / "c"
    folder.mkdir()
    return folder


@pytest.fixture
def server(bare_lab: Lab, drive: Path) -> Iterator[LabWinRM]:
    with bare_lab.start_winrm(windows(drive), password=PASSWORD) as running:
        yield running


@pytest.fixture
def new_client(bare_lab: Lab, server: LabWinRM) -> NewClient:
    def new(**changes: Any) -> GuestWinRMClient:
        usual = {"password": PASSWORD, "ca_cert": bare_lab.ca_cert, "auth": "basic"}
        address = {"hostname": server.host, "port": server.port}
        return GuestWinRMClient(**{**address, **usual, **changes})

    return new


@pytest.fixture
def client(new_client: NewClient) -> Iterator[GuestWinRMClient]:
    session = new_client()
    session.connect()
    yield session
    session.close()
