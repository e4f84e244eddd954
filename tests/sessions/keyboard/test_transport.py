"""Deployments typed on a real node's console; the lab reads what was typed as a guest's keyboard driver would."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import Deployment, FileDeployment, MultiStepDeployment, ScriptDeployment

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.keyboard.client import TypingSpeed
from libcloud_vsphere_clone.sessions.keyboard.transport import Keyboard

pytestmark = pytest.mark.guests

PASSWORD = "Typed-5ecret!"
QUICK = TypingSpeed(keys_per_call=200, pause_s=0)


def deploy(driver: VsphereCloneNodeDriver, name: str, step: Deployment, transport: Keyboard, **words: Any) -> Node:
    image = driver.ex_get_image_by_name("debian-12")
    given: dict[str, Any] = {"auth": NodeAuthPassword(PASSWORD), "ex_group": "doors", **words}
    return driver.deploy_node(step, name=name, size=None, image=image, ex_transport=transport, timeout=240, **given)


class _Asking(Deployment):
    """A deployment that looks at an answer."""

    def run(self, node: Node, client: object) -> Node:
        return node


def test_a_deployment_is_typed_and_its_script_has_no_status(
    guests: VsphereCloneNodeDriver, lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "hosts").write_text("10.0.0.1 äöü\n")
    script = ScriptDeployment("#!/bin/sh\necho $1 > /tmp/done", args=["it's"], name="/root/step.sh", delete=True)
    steps = MultiStepDeployment([FileDeployment(str(tmp_path / "hosts"), "/etc/hosts.new"), script])
    node = deploy(guests, "typed", steps, Keyboard(before="<wait1s><enter>", pace=QUICK))
    typed = lab.typed(node)
    assert typed.startswith("<enter>")
    assert "/etc/hosts.new" in typed
    assert "/root/step.sh" in typed
    assert PASSWORD not in typed
    assert (script.exit_status, script.stdout, script.stderr) == (-1, "", "")
    assert guests.list_nodes(ex_group="doors")[0].state == "running"


def test_what_was_typed_would_have_done_it(guests: VsphereCloneNodeDriver, lab: Lab, tmp_path: Path) -> None:
    """The lines that were typed, run by a shell of the guest, are the deployment."""
    (tmp_path / "motd").write_text('it\'s\ttyped: $HOME `x` \\ "ü"\n' * 40)
    script = ScriptDeployment("#!/bin/sh\ncat /etc/motd.new | wc -l > /var/lines\nexit 4", delete=True)
    steps = MultiStepDeployment([FileDeployment(str(tmp_path / "motd"), "/etc/lab new/motd"), script])
    node = deploy(guests, "retyped", steps, Keyboard(pace=QUICK))
    lines = lab.typed(node).replace("<enter>", "\n").replace("<tab>", "\t")
    assert "<" not in lines.replace("<<", "")
    session = guests.ex_open_session(node, auth=NodeAuthPassword(PASSWORD), timeout=240)
    try:
        assert session.run(f"cd; {lines}\nsha256sum < '/etc/lab new/motd'; ls -A /root")[2] == 0
        assert session.run("cat '/etc/lab new/motd'")[0] == (tmp_path / "motd").read_text()
    finally:
        session.close()


def test_it_logs_in_first_if_told_to_and_nothing_logs_that(
    guests: VsphereCloneNodeDriver, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    node = deploy(
        guests,
        "logged-in",
        ScriptDeployment("true", name="/root/true.sh"),
        Keyboard(log_in=True, pace=QUICK),
        ex_on_stage=lambda _, what: said.append(what),
    )
    assert lab.typed(node).startswith(f"root<enter>{PASSWORD}<enter>")
    assert "typing on the console" in said
    assert PASSWORD not in caplog.text + "".join(said)


@pytest.mark.parametrize(
    ("step", "transport", "words", "said"),
    [
        (_Asking(), Keyboard(), {}, "_Asking cannot run over 'keyboard'"),
        (MultiStepDeployment([ScriptDeployment("true"), _Asking()]), Keyboard(), {}, "sees no answer"),
        (ScriptDeployment("echo €"), Keyboard(layout="klingon"), {}, "klingon"),
    ],
)
def test_what_cannot_be_typed_is_refused_before_a_vm_exists(
    guests: VsphereCloneNodeDriver, lab: Lab, step: Deployment, transport: Keyboard, words: dict[str, Any], said: str
) -> None:
    lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=said):
        deploy(guests, "refused", step, transport, **words)
    assert "CloneVM_Task" not in lab.calls().by_method


def test_a_log_in_needs_a_password_before_a_vm_exists(guests: VsphereCloneNodeDriver, lab: Lab, key_file: str) -> None:
    lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="'keyboard' logs in with a password"):
        deploy(guests, "refused", ScriptDeployment("true"), Keyboard(log_in=True), auth=None, ssh_key=key_file)
    assert "CloneVM_Task" not in lab.calls().by_method


@pytest.mark.parametrize("before", ["<nosuchkey>", "→"])
def test_keys_before_are_looked_at_before_a_vm_exists(guests: VsphereCloneNodeDriver, lab: Lab, before: str) -> None:
    lab.reset_calls()
    with pytest.raises(InvalidRequestError):
        deploy(guests, "refused", ScriptDeployment("true"), Keyboard(before=before))
    assert "CloneVM_Task" not in lab.calls().by_method


def test_a_password_that_cannot_be_typed_is_refused_before_a_vm_exists(
    guests: VsphereCloneNodeDriver, lab: Lab
) -> None:
    lab.reset_calls()
    auth = NodeAuthPassword("pass→word")
    with pytest.raises(InvalidRequestError) as caught:
        deploy(guests, "refused", ScriptDeployment("true"), Keyboard(log_in=True), auth=auth)
    assert "CloneVM_Task" not in lab.calls().by_method
    assert "→" not in str(caught.value)


def test_whether_it_is_customized_cannot_be_asked(guests: VsphereCloneNodeDriver, lab: Lab) -> None:
    lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=r"'keyboard'.*ex_wait_for='customized'"):
        deploy(guests, "refused", ScriptDeployment("true"), Keyboard(), ex_wait_for="customized")
    assert "CloneVM_Task" not in lab.calls().by_method


def test_a_node_that_is_off_cannot_be_typed_on(guests: VsphereCloneNodeDriver) -> None:
    image = guests.ex_get_image_by_name("debian-12")
    node = guests.create_node("off", None, image, ex_group="doors", ex_power_on=False)
    with pytest.raises(TaskError, match=r"'off'.*poweredOff; start it"):
        guests.ex_open_session(node, "keyboard", auth=NodeAuthPassword(PASSWORD))
