"""Groups on real guests, over real SSH: deployments and scripts on many nodes, each with a fate of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import Deployment, ScriptDeployment
from libcloud.compute.types import DeploymentError

from libcloud_vsphere_clone import GroupError, Lab, TaskError, VsphereCloneNodeDriver

pytestmark = pytest.mark.guests

STATIC = NodeAuthPassword("vsphere-lab")
"""Of the image without cloud-init, for tests in which that has no part: it boots in a tenth of the time."""
SCRIPT = "#!/bin/sh\nhostname; echo oops >&2; test $(hostname) = g-a || exit 7\n"


@pytest.fixture
def driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        for group in driver.ex_list_groups():
            if group.name in ("guests", "cut"):
                driver.ex_destroy_group(group.name)


def deploy(
    driver: VsphereCloneNodeDriver, names: list[str], step: Deployment, image: str = "debian-12", **words: Any
) -> list[Node]:
    return driver.ex_deploy_nodes_in_group(
        "guests",
        len(names),
        None,
        driver.ex_get_image_by_name(image),
        ex_names=names,
        deploy=step,
        timeout=240,
        **words,
    )


def test_every_node_runs_its_own_copy_and_says_how_it_went(driver: VsphereCloneNodeDriver) -> None:
    step = ScriptDeployment(SCRIPT)
    nodes = deploy(driver, ["g-a", "g-b"], step)
    assert [node.name for node in nodes] == ["g-a", "g-b"]
    assert [node.extra["deployment"] for node in nodes] == [
        {"exit_status": 0, "stdout": "g-a\n", "stderr": "oops\n"},
        {"exit_status": 7, "stdout": "g-b\n", "stderr": "oops\n"},
    ]
    assert step.exit_status is None
    [password] = {node.extra["password"] for node in nodes}
    json.dumps([node.extra for node in nodes])

    driver.stop_node(nodes[1], ex_hard=True)
    begun = time.monotonic()
    up, down = driver.ex_run_script_on_group("guests", f"{SCRIPT}ls", auth=NodeAuthPassword(password), timeout=300)
    assert (up.node.name, up.exit_status, up.stderr, up.error) == ("g-a", 0, "oops\n", None)
    assert up.stdout.splitlines()[0] == "g-a"
    assert up.stdout.count("deployment_") == 2  # the deployment's, which Libcloud leaves, and this one's for now
    assert (down.node.name, down.exit_status, down.stdout) == ("g-b", None, "")
    assert isinstance(down.error, TaskError)
    assert "'g-b' is poweredOff; start it" in str(down.error)
    assert time.monotonic() - begun < 200  # the one that is off is not waited for


class _FailingOn(Deployment):
    """A deployment that fails on the nodes of these names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def run(self, node: Node, client: Any) -> Node:
        client.run("true")
        if node.name in self.names:
            raise RuntimeError("the step failed")
        return node


def test_one_deployment_fails_and_the_others_are_there(driver: VsphereCloneNodeDriver) -> None:
    with pytest.raises(GroupError, match="1 of 2 nodes could not be deployed in group 'guests'") as caught:
        deploy(driver, ["g-a", "g-b"], _FailingOn("g-b"), max_tries=1)
    assert [node.name for node in caught.value.nodes] == ["g-a"]
    assert caught.value.nodes[0].extra["deployment"] is None
    [(name, error)] = caught.value.errors.items()
    assert name == "g-b"
    assert isinstance(error, DeploymentError)
    assert error.node.name == "g-b"
    assert error.node.extra["password"] == caught.value.nodes[0].extra["password"]
    assert "the step failed" in str(caught.value)
    assert "DeploymentError" not in str(caught.value)
    assert {node.name for node in driver.list_nodes(ex_group="guests")} == {"g-a", "g-b"}


def test_what_could_not_be_made_or_deployed_is_told_and_gone_if_asked(lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    rule = lab.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task", every=2)
    try:
        with pytest.raises(GroupError, match="2 of 2") as caught:
            words: dict[str, Any] = {"image": "debian-12-static", "auth": STATIC, "ex_destroy_on_failure": True}
            deploy(driver, ["g-a", "g-b"], _FailingOn("g-a", "g-b"), max_tries=1, **words)
    finally:
        lab.faults.remove(rule)
    failures = {type(error).__name__ for error in caught.value.errors.values()}  # which is sent second is chance
    assert failures == {"DeploymentError", "NoPlacementError"}
    assert caught.value.nodes == []
    assert driver.list_nodes(ex_group="guests") == []


def test_a_node_that_reboots_is_waited_for(driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12-static")
    [node] = driver.ex_create_nodes_in_group("guests", 1, None, image)
    driver.wait_until_running([node], timeout=240)
    driver.reboot_node(node)
    [(node, addresses)] = driver.wait_until_running([node], timeout=240)
    assert addresses
    [result] = driver.ex_run_script_on_group("guests", "id -un", auth=STATIC, timeout=240)
    assert result.stdout == "root\n"


INTERRUPTED = """
import json, sys
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment
from libcloud_vsphere_clone import VsphereCloneNodeDriver

with VsphereCloneNodeDriver(**json.loads(sys.argv[1])) as driver:
    image, auth = driver.ex_get_image_by_name("debian-12-static"), NodeAuthPassword("vsphere-lab")
    print("ready", flush=True)
    try:
        driver.ex_deploy_nodes_in_group("cut", 2, None, image, auth=auth, deploy=ScriptDeployment("sleep 300"))
    except KeyboardInterrupt as interrupt:
        print("interrupted", *getattr(interrupt, "__notes__", []), sep="|", flush=True)
"""


@pytest.mark.parametrize("refused", [False, True])
def test_ctrl_c_while_deploying_destroys_all_and_says_what_remains(
    lab: Lab, driver: VsphereCloneNodeDriver, refused: bool
) -> None:
    words = {"key": lab.username, "secret": lab.password, "host": lab.host, "port": lab.port, "ca_cert": lab.ca_cert}
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED, json.dumps(words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 120
        while (
            time.monotonic() < deadline
            and sum(node.state == "running" for node in driver.list_nodes(ex_group="cut")) < 2
        ):
            time.sleep(0.05)
        time.sleep(0.5)  # waiting for addresses, or for sshd, or for the script
        if refused:
            lab.faults.add("Destroy_Task", fault="ResourceInUse", when="task", times=0)
        interrupted = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=240)
        lab.faults.clear()
    assert errors == ""
    assert time.monotonic() - interrupted < 200  # guests that are gone are not waited for: the script would take 300
    words_out = out.strip().split("|")
    assert words_out[0] == "interrupted"
    assert ["remains: could not destroy" in word for word in words_out[1:]] == ([True, True] if refused else [])
    assert len(driver.list_nodes(ex_group="cut")) == (2 if refused else 0)
