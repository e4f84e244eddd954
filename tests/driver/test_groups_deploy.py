"""Deployments and scripts on groups: what is refused unsent, and what each node is asked for."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from libcloud.compute.base import Node
from libcloud.compute.deployment import ScriptDeployment
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    ConnectionFailedError,
    GroupError,
    InvalidRequestError,
    TaskError,
    TaskTimeoutError,
)
from libcloud_vsphere_clone.guest import obstacles
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.nics import Nic
from libcloud_vsphere_clone.sessions.base import Target
from libcloud_vsphere_clone.sessions.ssh.transport import SSH
from tests.direct import Direct, writes
from tests.driver.conftest import PASSWORD, CreateGroup


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"ssh_interface": "wrong"}, "ssh_interface"),
        ({"deploy": "not a deployment"}, "must be a Deployment"),
        ({"ssh_key": "no key"}, "key"),
        ({"ex_grup": "x"}, "ex_grup"),
        ({"count": 0}, "count"),
    ],
)
def test_a_deployment_that_cannot_be_right_is_refused_unsent(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, words: dict[str, Any], reason: str
) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=reason):
        driver.ex_deploy_nodes_in_group(
            "web", **{"count": 2, "size": None, "image": image, "deploy": ScriptDeployment("true"), **words}
        )
    assert writes(bare_lab) == {}


def test_a_deployment_that_cannot_be_copied_is_refused_unsent(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    class Locked(ScriptDeployment):
        def __init__(self) -> None:
            super().__init__("true")
            self.lock = threading.Lock()

    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="copied"):
        driver.ex_deploy_nodes_in_group("web", 2, None, image, deploy=Locked())
    assert writes(bare_lab) == {}


def test_each_node_is_deployed_at_its_own_address(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct
) -> None:
    """The guests report an address that is not theirs as well, and before their own."""
    logins: dict[str, str] = {}

    class Refusing(SSH):
        def open(self, target: Target, *_: Any, **__: Any) -> Any:
            logins[target.name] = target.addresses[0]
            raise ConnectionFailedError("that was all")

    def report(node: Node, what: str) -> None:
        if not what.startswith("waiting"):
            return
        addresses = ["10.0.0.99", f"10.0.0.{node.name[-1]}"]
        [adapter] = direct.devices(direct.vm(node.extra["moid"]), vim.vm.device.VirtualEthernetCard)
        net = {"macAddress": adapter.macAddress, "ipAddress": addresses, "connected": True}
        bare_lab.control.change_vm(node.extra["moid"], {"guest.net": [net]})

    with pytest.raises(GroupError, match="2 of 2 nodes could not be deployed"):
        driver.ex_deploy_nodes_in_group(
            "web",
            2,
            None,
            driver.ex_get_image_by_name("debian-12"),
            deploy=ScriptDeployment("true"),
            auth=PASSWORD,
            timeout=60,
            ex_transport=Refusing(),
            ex_on_stage=report,
            ex_names=["n-5", "n-6"],
            ex_each=[{"ex_networks": [Nic(address=f"10.0.0.{number}/24")]} for number in (5, 6)],
        )
    assert logins == {"n-5": "10.0.0.5", "n-6": "10.0.0.6"}


def test_a_script_needs_a_way_in(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="ssh_key="):
        driver.ex_run_script_on_group("legacy", "id")
    assert bare_lab.calls().total == 0


def test_a_script_goes_to_no_foreign_machine(driver: VsphereCloneNodeDriver) -> None:
    results = driver.ex_run_script_on_group("legacy", "id", auth=PASSWORD, timeout=1)
    assert {result.node.name for result in results} == {"legacy-db", "legacy-web"}
    assert {type(result.error) for result in results} == {InvalidRequestError}
    assert all("did not create it" in str(result.error) for result in results)


def test_a_script_on_nodes_that_are_off_or_silent_says_so(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "OFF_FOR_S", 0.2)  # long before the time is over
    create_group(2, ex_names=["off-1", "off-2"])
    create_group(1, ex_names=["silent"], ex_power_on=True)  # there is no guest in it
    results = {r.node.name: r for r in driver.ex_run_script_on_group("web", "id", auth=PASSWORD, timeout=2)}
    assert [type(results[name].error) for name in ("off-1", "off-2", "silent")] == [
        TaskError,
        TaskError,
        TaskTimeoutError,
    ]
    assert "'off-1' is poweredOff; start it" in str(results["off-1"].error)
    assert "'silent' is poweredOn" in str(results["silent"].error)
    assert all(result.exit_status is None for result in results.values())
