from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.guest.customization import FAILED, NONE, UNDER_WAY, CustomizationOutcome
from libcloud_vsphere_clone.guest.debounce import Debounce
from libcloud_vsphere_clone.guest.obstacles import advice, are_tools_ready, find_obstacle, report
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.vcenter.rows import Ref, Row

NIC = {"key": "4000", "macAddress": "00:50:56:00:00:01", "connectable": {"connected": "true"}}
UNPLUGGED = {**NIC, "connectable": {"connected": "false"}}
NO_TOOLS = {"guest.toolsVersionStatus2": "guestToolsNotInstalled", "guest.toolsRunningStatus": "guestToolsNotRunning"}

NOTHING = CustomizationOutcome(NONE)


def row(**values: Any) -> Row:
    found = {"name": "web", "runtime.powerState": "poweredOn", "config.hardware.device": [NIC]}
    return Row(Ref("VirtualMachine", "vm-1"), {**found, **{k.replace("__", "."): v for k, v in values.items()}})


def obstacle(
    found: Row, wait: Wait | None = None, outcome: CustomizationOutcome = NOTHING, *, after_s: float = 1000
) -> str:
    now = 0.0
    debounce = Debounce(lambda: now)
    wait = wait or Wait()
    find_obstacle(found, wait, outcome, debounce)
    now = after_s
    return str(find_obstacle(found, wait, outcome, debounce) or "")


def test_a_vm_that_is_on_and_connected_has_no_obstacle() -> None:
    assert obstacle(row()) == ""
    assert obstacle(Row(Ref("VirtualMachine", "vm-1"), {"name": "web"})) == ""


def test_a_question_is_an_obstacle_at_once() -> None:
    found = obstacle(row(runtime__question={"text": "moved or copied?"}), after_s=0)
    assert found == "node 'web' asks 'moved or copied?' and waits; answer it in vCenter"


@pytest.mark.parametrize("state", ["poweredOff", "suspended"])
def test_a_vm_that_stays_off_is_an_obstacle(state: str) -> None:
    found = row(runtime__powerState=state)
    assert obstacle(found, after_s=1.9) == ""
    assert obstacle(found, after_s=2) == f"no address can come: 'web' is {state}; start it with start_node"


def test_disconnected_adapters_are_an_obstacle_after_a_while() -> None:
    found = row(config__hardware__device=[UNPLUGGED, UNPLUGGED])
    assert obstacle(found, after_s=29) == ""
    assert "has disconnected network adapters only (00:50:56:00:00:01, 00:50:56:00:00:01)" in obstacle(found)
    assert obstacle(row(config__hardware__device=[UNPLUGGED, NIC])) == ""
    assert obstacle(row(config__hardware__device=[{**NIC, "connectable": None}])) == ""
    assert obstacle(found, Wait("tools")) == ""


def test_a_vm_without_adapters_has_an_obstacle() -> None:
    assert "node 'web' has no network adapter; connect one" in obstacle(row(config__hardware__device=[]))


def test_adapters_are_disconnected_while_vcenter_customizes() -> None:
    assert obstacle(row(config__hardware__device=[UNPLUGGED]), outcome=CustomizationOutcome(UNDER_WAY)) == ""


def test_a_vm_without_tools_has_an_obstacle_after_a_while() -> None:
    found = row(**NO_TOOLS)
    assert obstacle(found, after_s=119) == ""
    expected = "nothing can be heard of the guest of node 'web': VMware Tools are not installed in it"
    for word in ("ssh", "address", "customized", "tools"):
        assert obstacle(found, Wait(word)).startswith(expected)
    assert obstacle(found, Wait(expected=("10.0.0.5",))) == ""  # it is known without tools
    assert obstacle(row(**{**NO_TOOLS, "guest.toolsRunningStatus": "guestToolsRunning"})) == ""
    assert obstacle(row(guest__toolsVersionStatus2="guestToolsUnmanaged")) == ""


@pytest.mark.parametrize(
    ("ready", "running", "expected"),
    [
        (True, "guestToolsNotRunning", True),
        (False, "guestToolsRunning", False),
        (None, "guestToolsRunning", True),
        (None, "guestToolsNotRunning", False),
        (None, None, False),
    ],
)
def test_tools_are_ready(ready: bool | None, running: str | None, expected: bool) -> None:
    assert are_tools_ready(row(guest__guestOperationsReady=ready, guest__toolsRunningStatus=running)) is expected


def test_a_report_says_what_the_guest_last_said() -> None:
    net = [{"macAddress": "00:50:56:00:00:01", "deviceConfigId": "4000", "ipAddress": ["fd00::5"]}]
    assert report(row(guest__net=net)) == "'web' is poweredOn, its tools are unknown, its addresses are fd00::5"
    assert report(row(config__hardware__device=[])).endswith("its addresses are none, it has no network adapter")


@pytest.mark.parametrize(
    ("wait", "outcome", "expected"),
    [
        (Wait(), CustomizationOutcome(NONE), ""),
        (Wait(), CustomizationOutcome(UNDER_WAY), "; it is being customized"),
        (Wait(), CustomizationOutcome(FAILED, "no NIC"), "; its customization failed: no NIC"),
        (
            Wait("customized"),
            CustomizationOutcome(NONE),
            "; neither vCenter nor the guest has said that it is being customized",
        ),
    ],
)
def test_a_wait_that_is_over_gives_advice(wait: Wait, outcome: CustomizationOutcome, expected: str) -> None:
    assert advice(row(guest__toolsRunningStatus="guestToolsRunning"), wait, outcome) == expected
    tools = "; vCenter learns addresses from VMware Tools only: install them"
    assert advice(row(), wait, outcome) == expected + tools
