from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.pull.recording import RecordingClient, check_recordable, record
from libcloud_vsphere_clone.sessions.steps import Delete, Put, Run


def test_every_class_of_libcloud_is_recorded_in_order(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o640)
    steps = MultiStepDeployment(
        [
            SSHKeyDeployment("key\n"),
            MultiStepDeployment([FileDeployment(str(tmp_path / "script"), "/etc/file")]),
            ScriptDeployment("one", args=["a", "$b"], name="one.sh", delete=True, timeout=3),
            ScriptFileDeployment(str(tmp_path / "script"), name="/opt/two.sh"),
        ]
    )
    assert record(steps, "alice").steps == (
        Put(".ssh/authorized_keys", b"key\n", append=True),
        Put("/etc/file", b"#!/bin/sh\n", 0o640),
        Put("one.sh", b"one", 0o755),
        Run("~/one.sh a $b", 3),
        Delete("one.sh"),
        Put("/opt/two.sh", b"#!/bin/sh\n", 0o755),
        Run("/opt/two.sh"),
    )


def test_recorded_deployment_stays_as_it_was() -> None:
    script = ScriptDeployment("x")
    record(script)
    assert (script.exit_status, script.stdout, script.stderr) == (None, None, None)


def test_each_node_has_a_token_of_its_own() -> None:
    recording = record(ScriptDeployment("true"))
    tokens = [recording.of(name).token for name in ("a", "b", "a")]
    assert tokens[0] == tokens[2] != tokens[1]
    assert len({recording.token, *tokens, record(ScriptDeployment("true")).of("a").token}) == 4
    assert recording.of("a").steps == recording.steps
    assert recording.token not in recording.of("a").bootstrap()


def test_each_recording_has_a_secret_that_is_not_shown() -> None:
    one, two = record(ScriptDeployment("secret-1")), record(ScriptDeployment("secret-1"))
    assert one.token != two.token
    assert one.token not in repr(one)
    assert "secret-1" not in repr(one)


class _Own(ScriptDeployment):
    def run(self, node: Any, client: Any) -> Any:
        raise AssertionError("it was run")


class _Other(Deployment):
    pass


@pytest.mark.parametrize("deployment", [_Own("x"), _Other(), MultiStepDeployment([ScriptDeployment("x"), _Own("x")])])
def test_other_classes_are_refused(deployment: Deployment) -> None:
    with pytest.raises(InvalidRequestError, match="cannot run over 'keyboard', on which a step sees no answer"):
        check_recordable(deployment, "keyboard")
    with pytest.raises(InvalidRequestError, match="'pull'"):
        record(deployment)


def test_client_takes_open_files_and_refuses_unknown_modes(tmp_path: Path) -> None:
    client = RecordingClient()
    (tmp_path / "x").write_bytes(b"\x00")
    with (tmp_path / "x").open("rb") as file:
        assert client.putfo("x", file) == "~/x"
    assert client.connect()
    assert client.run("x", timeout=0) == ("", "", 0)
    assert client.delete("/x")
    assert client.close()
    assert client.steps == [Put("x", b"\x00"), Run("x"), Delete("/x")]
    with pytest.raises(ValueError, match="mode 'r'"):
        client.put("x", mode="r")
