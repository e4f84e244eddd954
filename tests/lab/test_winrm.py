"""The lab's WinRM servers: started, counted and stopped."""

from __future__ import annotations

import socket

import pytest

from libcloud_vsphere_clone.lab import Lab, LabError


def test_a_server_lives_until_it_is_stopped(bare_lab: Lab) -> None:
    server = bare_lab.start_winrm(["/bin/sh", "-c"], password="secret")
    socket.create_connection((server.host, server.port), 5).close()
    assert "secret" not in repr(server)
    assert server.counts().actions == {}
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), 5)
    with pytest.raises(LabError, match="not found"):
        server.counts()


def test_a_server_needs_a_program(bare_lab: Lab) -> None:
    with pytest.raises(LabError, match="needs program, username and password"):
        bare_lab.start_winrm([], password="secret")
