"""``guest/blind.py``: what needs no answer."""

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
from libcloud_vsphere_clone.guest.blind import check_blind


class Asking(ScriptDeployment):
    def run(self, node: Any, client: Any) -> Any:
        super().run(node, client)
        assert self.exit_status == 0
        return node


class Own(Deployment):
    pass


def test_what_only_sends(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("true")
    steps = [
        ScriptDeployment("true"),
        ScriptFileDeployment(str(script)),
        FileDeployment(str(script), "x"),
        SSHKeyDeployment("ssh-ed25519 AAAA"),
    ]
    for step in steps:
        check_blind(step)
    check_blind(MultiStepDeployment([*steps, MultiStepDeployment(steps)]))


@pytest.mark.parametrize(
    "deployment", [Asking("true"), Own(), MultiStepDeployment([ScriptDeployment("x"), Asking("y")])]
)
def test_what_may_need_an_answer(deployment: Deployment) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_blind(deployment)
    kind = "Own" if isinstance(deployment, Own) else "Asking"
    assert f"'keyboard' brings no answer from the guest, and {kind} may need one" in str(caught.value)


def test_the_transport_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="'pull'"):
        check_blind(Own(), transport="pull")
