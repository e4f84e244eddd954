"""What vCenter is asked to tell a new node's guest, whatever the mechanism; and that it has taken it."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from libcloud.compute.base import NodeAuthPassword, NodeAuthSSHKey
from pyVmomi import vim

from libcloud_vsphere_clone import InvalidRequestError, Nic, NotFoundError, TaskError, VsphereCloneNodeDriver, Windows
from libcloud_vsphere_clone.inventory.images import fetch_clone_source
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.images import CloneSource
from libcloud_vsphere_clone.model.layout import FolderNames
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.options import NodeOptions
from libcloud_vsphere_clone.model.request import NodeRequest
from libcloud_vsphere_clone.operations.provision import Provisioner
from libcloud_vsphere_clone.plan.clone import build_clone_plan
from tests.direct import Create, Direct, writes

card = vim.vm.device.VirtualEthernetCard
STATIC = Nic("VM Network", address="10.0.0.5/24", gateway="10.0.0.1")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpXvCAve2tffyFrYe3WRwUPE7tKHOAJMQL21HbhwfFM me"
SECRET = "correct-horse-7"


def round_trips(lab: Lab) -> int:
    """The calls since the last reset, but those that wait: how many of these depends on how long things take."""
    calls = lab.calls()
    return calls.total - calls.by_method.get("WaitForUpdatesEx", 0)


def unpacked(value: str) -> str:
    return gzip.decompress(base64.b64decode(value)).decode()


def metadata(direct: Direct, node: Any) -> dict[str, Any]:
    options = direct.extra_config(direct.vm(node.extra["moid"]))
    found = json.loads(unpacked(options["guestinfo.metadata"]))
    assert isinstance(found, dict)
    return found


def macs(direct: Direct, node: Any) -> list[str]:
    return [device.macAddress for device in direct.devices(direct.vm(node.extra["moid"]), card)]


# cloud-init


@pytest.mark.usefixtures("late_looks")
def test_a_static_address_in_one_clone(bare_lab: Lab, create: Create, direct: Direct) -> None:
    create("first")
    bare_lab.reset_calls()
    create("second")
    plain = round_trips(bare_lab)
    bare_lab.reset_calls()
    node = create("fixed", ex_networks=[STATIC, "dvpg-web"], ex_domain="example.com", ex_dns=["10.0.0.2"])
    assert writes(bare_lab) == {"CloneVM_Task": 1}
    assert round_trips(bare_lab) == plain
    found = metadata(direct, node)
    assert found["local-hostname"] == "fixed.example.com"
    assert found["network.encoding"] == "gzip+base64"
    network = json.loads(unpacked(found["network"]))["ethernets"]
    told = [network[name]["match"]["macaddress"] for name in ("eth0", "eth1")]
    assert told == macs(direct, node)
    assert all("00:50:56:00:00:00" <= mac <= "00:50:56:3f:ff:ff" for mac in told)
    assert network["eth0"]["addresses"] == ["10.0.0.5/24"]
    assert network["eth1"]["dhcp4"] is True
    assert node.extra["customization"] == "cloud-init"


def test_a_mac_address_of_the_callers(create: Create, direct: Direct) -> None:
    node = create("named", ex_networks=[Nic(mac="00:50:56:00:00:42")])
    [adapter] = direct.devices(direct.vm(node.extra["moid"]), card)
    assert (adapter.macAddress, adapter.addressType.lower()) == ("00:50:56:00:00:42", "manual")
    assert "network" not in metadata(direct, node)


def test_dhcp_leaves_the_mac_addresses_to_vcenter(create: Create, direct: Direct) -> None:
    node = create("dhcp", ex_networks=["VM Network", Nic("dvpg-web")])
    assert "network" not in metadata(direct, node)
    assert "manual" not in {device.addressType for device in direct.devices(direct.vm(node.extra["moid"]), card)}


def test_an_image_without_enough_adapters(bare_lab: Lab, create: Create) -> None:
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="has 1 network adapters, so adapter 2 needs a network"):
        create("never", ex_networks=[Nic(), Nic(address="10.0.0.5/24")])
    assert writes(bare_lab) == {}


def test_a_group_cannot_share_an_address(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    wrong: tuple[dict[str, Any], ...] = ({"ex_networks": [STATIC]}, {"ex_each": [{"ex_networks": [STATIC]}] * 2})
    for words in wrong:
        with pytest.raises(InvalidRequestError, match=r"2 nodes cannot share the address 10\.0\.0\.5"):
            driver.ex_create_nodes_in_group("made", 2, None, image, **words)
    assert writes(bare_lab) == {}
    [node] = driver.ex_create_nodes_in_group("made", 1, None, image, ex_networks=[STATIC], ex_hostname="only")
    assert node.extra["customization"] == "cloud-init"


def test_each_node_of_a_group_has_its_own_address(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct
) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    each: list[dict[str, Any]] = [
        {"ex_networks": [Nic(address=f"10.0.0.{number}/24")], "ex_hostname": f"n{number}", "ex_metadata": {"n": number}}
        for number in range(5, 9)
    ]
    bare_lab.reset_calls()
    nodes = driver.ex_create_nodes_in_group(
        "made", 4, None, image, ex_each=each, ex_domain="example.com", ex_metadata={"n": 0}, ex_power_on=False
    )
    assert writes(bare_lab)["CloneVM_Task"] == 4
    for number, node in enumerate(nodes, 5):
        found = metadata(direct, node)
        assert found["local-hostname"] == f"n{number}.example.com"
        [told] = json.loads(unpacked(found["network"]))["ethernets"].values()
        assert told["addresses"] == [f"10.0.0.{number}/24"]
        assert node.extra["metadata"] == {"n": number}
        options = direct.extra_config(direct.vm(node.extra["moid"]))
        assert options["libcloud.addresses"] == f"10.0.0.{number}"


@pytest.mark.usefixtures("late_looks")
def test_ignition_is_told_through_its_own_keys(bare_lab: Lab, create: Create, direct: Direct) -> None:
    create("first")
    bare_lab.reset_calls()
    create("second")
    plain = round_trips(bare_lab)
    bare_lab.reset_calls()
    node = create("core-1", ex_customize="ignition", auth=NodeAuthSSHKey(KEY), ex_networks=[STATIC])
    assert round_trips(bare_lab) == plain
    options = direct.extra_config(direct.vm(node.extra["moid"]))
    config = unpacked(options["guestinfo.ignition.config.data"])
    assert '"name": "core"' in config
    [keyfile] = [file for file in json.loads(config)["storage"]["files"] if "nmconnection" in file["path"]]
    text = base64.b64decode(keyfile["contents"]["source"].partition(",")[2]).decode()
    assert f"mac-address={macs(direct, node)[0]}" in text
    assert (node.extra["customization"], "guestinfo.metadata" in options) == ("ignition", False)


# vSphere's own


MECHANISMS: dict[str, tuple[type, dict[str, Any]]] = {
    "cloudinit-prep": (vim.event.CustomizationSucceeded, {"ex_userdata": "#!/bin/sh\ndate\n"}),
    "linux-prep": (vim.event.CustomizationSucceeded, {"ex_first_boot_script": "date", "ex_timezone": "Europe/Sofia"}),
    "sysprep": (vim.event.CustomizationSucceeded, {"ex_windows": Windows(run_once=["dir"]), "ex_timezone": "UTC"}),
}


def events(direct: Direct, node: Any) -> list[Any]:
    spec = vim.event.EventFilterSpec(
        entity=vim.event.EventFilterSpec.ByEntity(entity=direct.vm(node.extra["moid"]), recursion="self")
    )
    found: list[Any] = direct.content.eventManager.QueryEvents(spec)
    return found


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.usefixtures("late_looks")
def test_vsphere_customizes_at_the_clone(bare_lab: Lab, create: Create, direct: Direct, mechanism: str) -> None:
    kind, words = MECHANISMS[mechanism]
    create("first")
    bare_lab.reset_calls()
    create("second", ex_power_on=True)
    plain = round_trips(bare_lab)
    bare_lab.reset_calls()
    networks = [STATIC, "dvpg-web"]
    node = create("made-by-it", ex_customize=mechanism, ex_networks=networks, ex_power_on=True, **words)
    assert writes(bare_lab) == {"CloneVM_Task": 1}
    assert round_trips(bare_lab) == plain
    assert node.extra["customization"] == mechanism
    assert [event for event in events(direct, node) if isinstance(event, kind)]
    vm = direct.vm(node.extra["moid"])
    assert direct.read(vm, "guest.hostName") == "made-by-it"
    assert not {key for key in direct.extra_config(vm) if key.startswith("guestinfo.metadata")}


def test_an_old_vcenter_is_not_sent_what_it_would_not_see(bare_lab: Lab) -> None:
    with bare_lab.driver(api_version="7.0.1.0") as old:
        bare_lab.reset_calls()
        with pytest.raises(InvalidRequestError, match=r"7\.0 Update 3"):
            old.create_node("old", None, old.ex_get_image_by_name("debian-12"), ex_customize="cloudinit-prep")
        assert writes(bare_lab) == {}


@pytest.mark.usefixtures("late_looks")
def test_a_specification_stored_in_vcenter(bare_lab: Lab, create: Create, direct: Direct) -> None:
    create("first")
    bare_lab.reset_calls()
    create("second")
    plain = round_trips(bare_lab)
    bare_lab.reset_calls()
    node = create("by-spec", ex_customization_spec="vcsim-linux", ex_power_on=True)
    assert round_trips(bare_lab) == plain + 1
    assert (node.extra["customization"], node.name) == ("linux-prep", "by-spec")
    assert direct.read(direct.vm(node.extra["moid"]), "guest.hostName") == "by-spec"


def test_a_specification_that_is_not_there(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    bare_lab.reset_calls()
    with pytest.raises(NotFoundError, match=r"customization specification 'nope'.*there are: vcsim-linux, vcsim-linux"):
        create("never", ex_customization_spec="nope")
    with pytest.raises(InvalidRequestError, match="leaves the address of adapter 1 to whoever uses it"):
        create("never", ex_customization_spec="vcsim-linux-static")
    with pytest.raises(NotFoundError, match="nope"):
        driver.ex_create_nodes_in_group(
            "made", 1, None, driver.ex_get_image_by_name("debian-12"), ex_customization_spec="nope"
        )
    assert writes(bare_lab) == {}


# Taken, or undone


def fetch_source(driver: VsphereCloneNodeDriver) -> CloneSource:
    return fetch_clone_source(driver._session, FolderNames(), driver.ex_get_image_by_name("debian-12").id)


@pytest.mark.usefixtures("unharmed")
def test_a_key_that_vcenter_drops_is_noticed(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    options = NodeOptions(group="made", userdata="#!/bin/sh\n", timeout_s=10)
    request = NodeRequest("50000000-0000-4000-8000-0000000000aa", "dropped", options)
    source = fetch_source(driver)
    plan = build_clone_plan(request, source)
    # The lab takes every key: what vCenter would drop is not sent.
    kept = [option for option in plan.spec.config.extraConfig if option.key != "guestinfo.userdata.encoding"]
    plan.spec.config.extraConfig = kept
    bare_lab.reset_calls()
    with pytest.raises(TaskError, match=r"without the keys guestinfo\.userdata\.encoding.*ex_customize=") as caught:
        Provisioner(driver._session, FolderNames()).create(plan, source)
    assert not getattr(caught.value, "__notes__", [])
    assert writes(bare_lab)["Destroy_Task"] == 1


def test_keys_that_a_guest_removes_itself_are_not_missed(driver: VsphereCloneNodeDriver) -> None:
    source = fetch_source(driver)
    metadata, userdata = "guestinfo.metadata.encoding", "guestinfo.userdata.encoding"
    for login, kept in ((None, (metadata, userdata)), (Login("joe", password="x"), (metadata,))):
        request = NodeRequest("50000000-0000-4000-8000-0000000000ab", "plain", login=login)
        assert build_clone_plan(request, source).kept_keys == kept
    off = replace(request, options=NodeOptions(power_on=False))
    assert len(build_clone_plan(off, source).kept_keys) == 2


# Secrets


GREPPED: dict[str, dict[str, Any]] = {
    "cloud-init": {},
    "ignition": {"ex_customize": "ignition"},
    "cloudinit-prep": {"ex_customize": "cloudinit-prep"},
    "sysprep": {
        "ex_customize": "sysprep",
        "ex_windows": Windows(domain="a.b", domain_user="joe", domain_password=SECRET, auto_logon_count=1),
    },
}


@pytest.mark.parametrize("mechanism", GREPPED)
def test_a_password_shows_nowhere(
    driver: VsphereCloneNodeDriver, create: Create, direct: Direct, caplog: pytest.LogCaptureFixture, mechanism: str
) -> None:
    caplog.set_level("DEBUG")
    node = create("secret", auth=NodeAuthPassword(SECRET), ex_power_on=True, **GREPPED[mechanism])
    vm = direct.vm(node.extra["moid"])
    options = direct.extra_config(vm)
    plain = {key: unpacked(value) for key, value in options.items() if f"{key}.encoding" in options}
    tasks = [
        (direct.read(task, "info.descriptionId"), str(direct.read(task, "info.name")))
        for task in direct.read(direct.content.taskManager, "recentTask")
    ]
    assert tasks
    everything = f"{options} {plain} {tasks} {events(direct, node)} {node!r} {node.extra} {caplog.text}"
    assert "guestinfo" in everything or mechanism not in ("cloud-init", "ignition")
    assert SECRET not in everything
    assert base64.b64encode(SECRET.encode()).decode().rstrip("=")[:-1] not in everything


def test_a_key_and_a_password_that_cannot_reach_windows(create: Create) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"sysprep customizes image 'debian-12'.*a key cannot reach the guest"
    ):
        create("never", ex_customize="sysprep", auth=NodeAuthSSHKey(KEY))
