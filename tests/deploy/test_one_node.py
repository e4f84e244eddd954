"""``deploy_node`` on real guests, over real SSH."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey
from libcloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)
from libcloud.compute.types import DeploymentError

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, TaskError
from libcloud_vsphere_clone.guest import obstacles
from libcloud_vsphere_clone.lab import Lab

pytestmark = pytest.mark.guests

STATIC_PASSWORD = "vsphere-lab"
STATIC: dict[str, Any] = {"image": "debian-12-static", "auth": NodeAuthPassword(STATIC_PASSWORD)}
"""A guest without cloud-init, for tests in which it has no part: it boots in a tenth of the time."""


@pytest.fixture
def driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        for node in driver.list_nodes():
            if node.extra["managed"]:
                driver.destroy_node(node)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def _request(driver: VsphereCloneNodeDriver, image: str = "debian-12", **words: Any) -> dict[str, Any]:
    named = {"name": f"deploy-{uuid.uuid4().hex[:6]}", "size": None, "image": driver.ex_get_image_by_name(image)}
    return {**named, "ex_group": "deployment", **words}


def _names(driver: VsphereCloneNodeDriver) -> list[str]:
    return [node.name for node in driver.list_nodes(ex_group="deployment")]


def test_generated_password_is_in_the_returned_node(driver: VsphereCloneNodeDriver) -> None:
    script = ScriptDeployment("#!/bin/sh\nwhoami; hostname; echo oops >&2; exit 7\n")
    request = _request(driver, name="Wéb Server_1")
    node = driver.deploy_node(deploy=script, **request)
    assert (script.stdout, script.stderr, script.exit_status) == ("root\nweb-server-1\n", "oops\n", 7)
    assert len(node.extra["password"]) >= 20
    assert node.private_ips and not node.public_ips


def test_key_alone_is_injected_and_every_deployment_class_runs(
    driver: VsphereCloneNodeDriver, key_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "script.sh").write_text("#!/bin/sh\ncat /etc/motd.lab; grep -c extra ~/.ssh/authorized_keys\n")
    (tmp_path / "motd").write_text("héllo\n")
    extra = key_file.with_suffix(".pub").read_text().split()[1]
    last = ScriptFileDeployment(str(tmp_path / "script.sh"))
    steps = MultiStepDeployment(
        [
            SSHKeyDeployment(f"ssh-ed25519 {extra} extra"),
            FileDeployment(str(tmp_path / "motd"), "/etc/motd.lab"),
            ScriptDeployment("id -un", delete=True),
            last,
        ]
    )
    node = driver.deploy_node(deploy=steps, ssh_key=str(key_file), **_request(driver))
    assert last.stdout == "héllo\n1\n"
    assert "password" not in node.extra


def test_key_with_auth_and_another_user(driver: VsphereCloneNodeDriver, key_file: Path) -> None:
    script = ScriptDeployment("whoami; sudo -n whoami")
    auth = NodeAuthSSHKey(key_file.with_suffix(".pub").read_text())
    driver.deploy_node(deploy=script, auth=auth, ssh_key=str(key_file), ssh_username="deployer", **_request(driver))
    assert script.stdout == "deployer\nroot\n"


def test_given_password_and_userdata_are_merged(driver: VsphereCloneNodeDriver) -> None:
    userdata = "#cloud-config\nwrite_files: [{path: /etc/from-userdata, content: kept}]\n"
    script = ScriptDeployment("cloud-init status --wait >/dev/null; cat /etc/from-userdata")
    driver.deploy_node(
        deploy=script, auth=NodeAuthPassword("Given-1-password"), **_request(driver, ex_userdata=userdata)
    )
    assert script.stdout == "kept"


def test_static_image_takes_its_own_password(driver: VsphereCloneNodeDriver) -> None:
    script = ScriptDeployment("whoami")
    request = _request(driver, "debian-12-static")
    driver.deploy_node(deploy=script, auth=NodeAuthPassword(STATIC_PASSWORD), **request)
    assert script.stdout == "root\n"


@pytest.mark.parametrize("wish", ["key", "generated password", "userdata"])
def test_static_image_refuses_what_it_cannot_use(
    driver: VsphereCloneNodeDriver, key_file: Path, lab: Lab, wish: str
) -> None:
    words: dict[str, Any] = {"key": {"ssh_key": str(key_file)}, "userdata": {"ex_userdata": "#!/bin/sh\n"}}.get(
        wish, {}
    )
    request = _request(driver, "debian-12-static", **words)
    lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=f"no cloud-init.*{wish}.*cannot reach the guest"):
        driver.deploy_node(deploy=ScriptDeployment("true"), **request)
    assert "CloneVM_Task" not in lab.calls().by_method


def test_unusable_key_is_refused_before_a_vm_exists(driver: VsphereCloneNodeDriver, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key at all\n")
    request = _request(driver)
    lab.reset_calls()
    with pytest.raises(InvalidRequestError):
        driver.deploy_node(deploy=ScriptDeployment("true"), ssh_key=str(tmp_path / "key"), **request)
    assert lab.calls().total == 0


def test_wrong_auth_type_is_libclouds_answer(driver: VsphereCloneNodeDriver) -> None:
    with pytest.raises(NotImplementedError):
        driver.deploy_node(deploy=ScriptDeployment("true"), auth="password", **_request(driver))


class _Failing(Deployment):
    """A deployment that fails as often as it is run."""

    runs = 0

    def run(self, node: Node, client: Any) -> Node:
        self.runs += 1
        raise RuntimeError("the step failed")


@pytest.mark.parametrize("destroy", [False, True])
def test_failed_deployment_keeps_the_node_unless_told_otherwise(driver: VsphereCloneNodeDriver, destroy: bool) -> None:
    failing, request = _Failing(), _request(driver, **STATIC)
    with pytest.raises(DeploymentError) as caught:
        driver.deploy_node(deploy=failing, max_tries=2, ex_destroy_on_failure=destroy, **request)
    assert failing.runs == 2
    assert "the step failed" in str(caught.value.original_error)
    assert caught.value.node.name == request["name"]
    assert _names(driver) == ([] if destroy else [request["name"]])


def test_a_node_that_is_off_is_not_waited_for(driver: VsphereCloneNodeDriver) -> None:
    node = driver.create_node(**_request(driver, ex_power_on=False))
    started = time.monotonic()
    with pytest.raises(TaskError, match=f"{node.name!r} is poweredOff; start it with start_node"):
        driver.wait_until_running([node], timeout=240)
    assert time.monotonic() - started < 120  # long before its time is over


def test_a_node_that_is_started_meanwhile_is_waited_for(
    driver: VsphereCloneNodeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "OFF_FOR_S", 60)  # a busy machine starts it late
    node = driver.create_node(**_request(driver, ex_power_on=False, **STATIC))
    starter = threading.Timer(0.5, driver.start_node, (node,))
    starter.start()
    [(_, addresses)] = driver.wait_until_running([node], timeout=240)
    starter.join()
    assert addresses


def test_wait_until_running_takes_many_nodes(driver: VsphereCloneNodeDriver) -> None:
    nodes = [driver.create_node(**_request(driver, **STATIC)) for _ in range(2)]
    ready = driver.wait_until_running(nodes, 1, 240, "private_ips", True, None)
    assert [node.id for node, _ in ready] == [node.id for node in nodes]
    assert all(addresses == node.private_ips for node, addresses in ready)
    with pytest.raises(ValueError, match="ssh_interface"):
        driver.wait_until_running(nodes, ssh_interface="wrong")


def test_stop_and_start_go_through_the_guest(driver: VsphereCloneNodeDriver) -> None:
    node = driver.create_node(**_request(driver, **STATIC))
    driver.wait_until_running([node], timeout=240)
    assert driver.stop_node(node)
    assert driver.ex_get_node(node.id).state == "stopped"
    assert driver.start_node(node)
    assert driver.ex_get_node(node.id).state == "running"
    assert driver.wait_until_running([node], timeout=240)


INTERRUPTED = """
    import sys
    from libcloud.compute.base import NodeAuthPassword
    from libcloud.compute.deployment import ScriptDeployment
    from libcloud_vsphere_clone import VsphereCloneNodeDriver
    user, password, host, port, ca_cert, name = sys.argv[1:]
    with VsphereCloneNodeDriver(user, password, host=host, port=int(port), ca_cert=ca_cert) as driver:
        image, auth = driver.ex_get_image_by_name("debian-12-static"), NodeAuthPassword("vsphere-lab")
        step = ScriptDeployment("sleep 60")
        print("ready", flush=True)
        driver.deploy_node(step, name=name, size=None, image=image, auth=auth, ex_group="deployment")
"""


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.9, 2.5])
def test_ctrl_c_at_any_moment_leaves_nothing(driver: VsphereCloneNodeDriver, lab: Lab, after_s: float) -> None:
    name = f"interrupted-{after_s}"
    access = [lab.username, lab.password, lab.host, str(lab.port), str(lab.ca_cert), name]
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), *access]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert name not in _names(driver)


class _Dropping(Deployment):
    """A deployment whose first run loses its connection half-way."""

    runs = 0

    def run(self, node: Node, client: Any) -> Node:
        self.runs += 1
        if self.runs == 1:
            client.close()
        client.run("true")
        return node


def test_a_lost_connection_is_made_again(driver: VsphereCloneNodeDriver) -> None:
    dropping = _Dropping()
    driver.deploy_node(deploy=dropping, **_request(driver, **STATIC))
    assert dropping.runs == 2
