"""Reaching into real guests that are still being customized, and into many at once."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import Deployment, FileDeployment, MultiStepDeployment, ScriptDeployment
from libcloud.compute.types import DeploymentError

from libcloud_vsphere_clone import GroupError, VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError, NotFoundError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions import login_retry as ready
from libcloud_vsphere_clone.sessions.pull.callback import CallbackReceiver
from libcloud_vsphere_clone.sessions.pull.transport import Pull

pytestmark = pytest.mark.guests

PASSWORD = NodeAuthPassword("Given-1-password")
STATIC = NodeAuthPassword("vsphere-lab")


@pytest.fixture(scope="module")
def guests(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    """A driver on the lab with guests; what the module made in the group ``reached`` is gone after it."""
    with lab.driver() as driver:
        yield driver
        lab.faults.clear()
        lab.control.spare_customizations()
        for group in driver.ex_list_groups():
            if group.name == "reached" or group.name.startswith("crowd-"):
                driver.ex_destroy_group(group.name)


def deploy(driver: VsphereCloneNodeDriver, name: str, image: str = "debian-12", **words: Any) -> Node:
    usual = {"deploy": ScriptDeployment("true"), "auth": PASSWORD, "timeout": 240, "ex_group": "reached"}
    named = {"name": name, "size": None, "image": driver.ex_get_image_by_name(image)}
    return driver.deploy_node(**{**usual, **named, **words})


# The end of the customization


@pytest.mark.parametrize("transport", ["ssh", "tools"])
def test_the_script_runs_when_cloud_init_has_ended(guests: VsphereCloneNodeDriver, transport: str) -> None:
    said: list[str] = []
    script = ScriptDeployment("cat /var/ended; cloud-init status")
    deploy(
        guests,
        f"ended-{transport}",
        deploy=script,
        ex_userdata="#cloud-config\nruncmd: [[sh, -c, 'sleep 3; echo ended >/var/ended']]\n",
        ex_wait_for="customized",
        ex_transport=transport,
        ex_on_stage=lambda _, what: said.append(what),
    )
    assert script.stdout == "ended\nstatus: done\n"
    assert said[-2:] == ["waiting for cloud-init to end", "running the script"]


def test_a_failure_of_cloud_init_is_told_in_its_own_words(guests: VsphereCloneNodeDriver) -> None:
    script = ScriptDeployment("true")
    with pytest.raises(DeploymentError) as caught:
        deploy(
            guests,
            "failing",
            deploy=script,
            ex_userdata="#cloud-config\nruncmd: [[sh, -c, 'exit 3']]\n",
            ex_wait_for="customized",
        )
    assert isinstance(caught.value.original_error, TaskError)
    said = str(caught.value.original_error)
    assert said.startswith("cloud-init in node 'failing' failed: status: error")
    assert "scripts-user" in said or "scripts_user" in said
    assert "/var/log/cloud-init.log" in said
    assert script.exit_status is None


def test_a_guest_that_reboots_while_cloud_init_is_waited_for(guests: VsphereCloneNodeDriver) -> None:
    begin = "[ -e /var/booted ] || { touch /var/booted; sleep 5; reboot; sleep 60; }"
    script = ScriptDeployment("ls /var/booted; cloud-init status")
    deploy(
        guests,
        "rebooting",
        deploy=script,
        ex_userdata=f"#cloud-config\nruncmd: [[sh, -c, '{begin}']]\n",
        ex_wait_for="customized",
        timeout=240,
    )
    assert script.stdout == "/var/booted\nstatus: done\n"


@pytest.mark.parametrize(
    ("mechanism", "image", "auth"),
    [("linux-prep", "debian-12-static", STATIC), ("cloudinit-prep", "debian-12", PASSWORD)],
)
def test_a_customization_that_vcenter_says_failed_ends_the_wait_at_once(
    guests: VsphereCloneNodeDriver, lab: Lab, mechanism: str, image: str, auth: NodeAuthPassword
) -> None:
    lab.control.fail_customizations("CustomizationNetworkSetupFailed", "No route to anywhere.", delay_ms=300)
    script = ScriptDeployment("true")
    begun = time.monotonic()
    with pytest.raises(DeploymentError) as caught:
        deploy(guests, f"broken-{mechanism}", image, deploy=script, auth=auth, ex_customize=mechanism)
    assert time.monotonic() - begun < 120  # long before its time is over
    assert isinstance(caught.value.original_error, TaskError)
    said = str(caught.value.original_error)
    assert f"the customization of node 'broken-{mechanism}' failed: No route to anywhere" in said
    assert "/var/log/vmware-imc/toolsDeployPkg.log" in said
    assert script.exit_status is None


def test_a_customization_by_vcenter_is_waited_for(guests: VsphereCloneNodeDriver) -> None:
    script = ScriptDeployment("id -un")
    node = deploy(guests, "prepared", "debian-12-static", deploy=script, auth=STATIC, ex_customize="linux-prep")
    assert script.stdout == "root\n"
    assert node.extra["customization"] == "linux-prep"


# Nodes that are not there any more


def test_a_session_into_a_node_that_is_gone(guests: VsphereCloneNodeDriver) -> None:
    image = guests.ex_get_image_by_name("debian-12")
    node = guests.create_node("gone", None, image, ex_group="reached", ex_power_on=False)
    guests.destroy_node(node)
    with pytest.raises(NotFoundError):
        guests.ex_open_session(node, auth=PASSWORD, timeout=5)


def test_a_node_that_is_removed_while_it_is_waited_for(guests: VsphereCloneNodeDriver) -> None:
    def remove(node: Node, what: str) -> None:
        if what == "waiting for its address":
            guests.destroy_node(node)

    with pytest.raises(DeploymentError) as caught:
        deploy(guests, "removed", "debian-12-static", auth=STATIC, ex_on_stage=remove)
    assert isinstance(caught.value.original_error, NotFoundError)


def test_a_node_that_goes_away_while_it_is_logged_in_to(guests: VsphereCloneNodeDriver) -> None:
    """Its address does not answer any more: vCenter knows why, long before the time is over."""

    def switch_off(node: Node, what: str) -> None:
        if what.startswith("logging in"):
            guests.stop_node(node, ex_hard=True)

    with pytest.raises(DeploymentError) as caught:
        deploy(guests, "switched-off", ex_on_stage=switch_off, timeout=600)
    assert isinstance(caught.value.original_error, TaskError)
    assert "'switched-off' is poweredOff; start it with start_node" in str(caught.value.original_error)


def test_nothing_to_log_in_with_is_said_at_once(guests: VsphereCloneNodeDriver) -> None:
    """Before the wait, which would end in another error: the node is off."""
    image = guests.ex_get_image_by_name("debian-12")
    node = guests.create_node("nameless", None, image, ex_group="reached", ex_power_on=False)
    for transport in (None, "ssh", "tools", "winrm"):
        with pytest.raises(InvalidRequestError, match="auth=NodeAuthPassword"):
            guests.ex_open_session(node, transport, timeout=5)


def test_a_windows_is_reached_by_winrm_as_its_administrator(guests: VsphereCloneNodeDriver, lab: Lab) -> None:
    """It is none, so nothing answers there; the user that it would log in as is what shows."""
    image = guests.ex_get_image_by_name("debian-12-static")
    node = guests.create_node("windows", None, image, ex_group="reached")
    guests.wait_until_running([node], timeout=240)
    lab.control.change_vm(node.extra["moid"], {"config.guestId": "windows2022srvNext_64Guest"})
    said: list[str] = []
    with pytest.raises(ConnectionFailedError):
        guests.ex_open_session(node, auth=PASSWORD, timeout=5, ex_on_stage=lambda _, what: said.append(what))
    assert said[-1].endswith("by WinRM as Administrator")


# Round trips


@pytest.fixture(scope="module")
def running(guests: VsphereCloneNodeDriver) -> Node:
    """A node that is there, with an address."""
    node = deploy(guests, "running")
    guests.wait_until_running([node], timeout=240)
    return node


@pytest.fixture
def no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that is slow to answer costs a read now and then."""
    monkeypatch.setattr(ready, "CHECK_S", math.inf)


@pytest.mark.usefixtures("no_checks")
def test_a_session_into_a_node_that_runs_takes_one_read(
    guests: VsphereCloneNodeDriver, lab: Lab, running: Node
) -> None:
    lab.reset_calls()
    guests.ex_open_session(running, auth=PASSWORD).close()
    assert lab.calls().by_method == {"RetrievePropertiesEx": 1}
    lab.reset_calls()
    guests.ex_open_session(running, "tools", auth=PASSWORD).close()
    assert lab.calls().by_method == {"RetrievePropertiesEx": 2, "ValidateCredentialsInGuest": 1}


@pytest.mark.usefixtures("no_checks")
def test_a_script_on_a_group_that_runs_takes_two_reads(guests: VsphereCloneNodeDriver, lab: Lab, running: Node) -> None:
    others = [node for node in guests.list_nodes(ex_group="reached") if node.name != running.name]
    for node in others:
        guests.destroy_node(node)
    lab.reset_calls()
    [result] = guests.ex_run_script_on_group("reached", "hostname", auth=PASSWORD)
    assert result.stdout == "running\n"
    assert result.node.private_ips
    assert lab.calls().by_method == {"RetrievePropertiesEx": 2}


def test_a_node_that_was_registered_anew_is_reached_by_its_id(guests: VsphereCloneNodeDriver, running: Node) -> None:
    moved = copy.copy(running)
    moved.extra = {**running.extra, "moid": "vm-99999"}
    guests.ex_open_session(moved, auth=PASSWORD, timeout=30).close()


# Groups


class _FailingOn(Deployment):
    """Steps that every transport takes, and a failure on one node."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, node: Node, client: Any) -> Node:
        if node.name == self.name:
            raise RuntimeError("the step failed")
        client.run("true")
        return node


def group(
    driver: VsphereCloneNodeDriver,
    transport: Any,
    step: Deployment,
    names: list[str],
    **words: Any,
) -> list[Node]:
    return driver.ex_deploy_nodes_in_group(
        f"crowd-{names[0].partition('-')[0]}",
        len(names),
        None,
        driver.ex_get_image_by_name("debian-12"),
        auth=PASSWORD,
        deploy=step,
        ex_names=names,
        ex_transport=transport,
        timeout=240,
        **words,
    )


SCRIPT = "#!/bin/sh\nhostname; echo oops >&2; exit 3\n"


@pytest.mark.usefixtures("no_checks")
@pytest.mark.parametrize("transport", ["ssh", "tools"])
def test_all_nodes_are_awaited_together(guests: VsphereCloneNodeDriver, lab: Lab, transport: str) -> None:
    names = [f"{transport}-{letter}" for letter in "ab"]

    def begin(_: Node, what: str) -> None:
        if what in ("waiting for its address", "waiting for its guest"):
            lab.reset_calls()  # the nodes are made

    nodes = group(guests, transport, ScriptDeployment(SCRIPT), names, ex_on_stage=begin)
    calls = lab.calls().by_method
    results = [node.extra["deployment"] for node in nodes]
    assert results == [{"exit_status": 3, "stdout": f"{name}\n", "stderr": "oops\n"} for name in names]
    # However many nodes there are. Guest operations are found by a read each.
    assert calls["RetrievePropertiesEx"] == 1 + (len(names) if transport == "tools" else 0)
    waits = {calls.get(method, 0) for method in ("CreatePropertyCollector", "CreateFilter", "DestroyPropertyCollector")}
    assert waits in ({0}, {1})  # none where all were there already
    if transport == "tools":
        ran = guests.ex_run_script_on_group(
            "crowd-tools", "hostname; exit 4", auth=PASSWORD, ex_transport="tools", timeout=240
        )
        told = {one.node.name: (one.exit_status, one.stdout) for one in ran}
        assert told == {name: (4, f"{name}\n") for name in names}


def test_each_node_reports_for_itself(guests: VsphereCloneNodeDriver, tmp_path: Any) -> None:
    (tmp_path / "motd").write_text("hello\n")
    names = ["pull-a", "pull-b"]
    nodes = group(guests, "pull", ScriptDeployment(SCRIPT), names)
    results = [node.extra["deployment"] for node in nodes]
    assert results == [{"exit_status": 3, "stdout": f"{name}\n", "stderr": "oops\n"} for name in names]
    file = str(tmp_path / "motd")
    steps = MultiStepDeployment([FileDeployment(file, "/etc/motd.new"), FileDeployment(file, "/dev/full/no")])
    with pytest.raises(GroupError, match="1 of 1") as caught:
        group(guests, "pull", steps, ["pull-c"], ex_destroy_on_failure=True)
    assert "/dev/full" in str(caught.value.errors["pull-c"])  # in the words of the guest
    assert sorted(node.name for node in guests.list_nodes(ex_group="crowd-pull")) == names


def test_one_that_fails_does_not_keep_the_others(guests: VsphereCloneNodeDriver) -> None:
    with pytest.raises(GroupError, match="1 of 2 nodes could not be deployed") as caught:
        group(guests, "tools", _FailingOn("bad"), ["good", "bad"], max_tries=1)
    assert [node.name for node in caught.value.nodes] == ["good"]
    assert list(caught.value.errors) == ["bad"]


class _Counting(CallbackReceiver):
    """Say which node reported."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.taken: list[str] = []

    def accept(self, path: str, posted: Any) -> bool:
        taken = super().accept(path, posted)
        self.taken += [path] if taken else []
        return taken


def test_one_receiver_does_for_many(guests: VsphereCloneNodeDriver) -> None:
    look = ScriptDeployment("echo $SSH_CONNECTION")
    deploy(guests, "looking", deploy=look)
    names = ["call-a", "call-b", "call-c"]
    with _Counting(str(look.stdout).split()[0]) as receiver:
        nodes = group(guests, Pull(receiver), ScriptDeployment(SCRIPT), names)
        assert len(set(receiver.taken)) == len(receiver.taken) == 3
    results = [node.extra["deployment"] for node in nodes]
    assert results == [{"exit_status": 3, "stdout": f"{name}\n", "stderr": "oops\n"} for name in names]
