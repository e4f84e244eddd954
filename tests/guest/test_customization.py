from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import VmomiSupport

from libcloud_vsphere_clone.guest.customization import (
    CUSTOMIZATION_PATHS,
    DONE,
    FAILED,
    FAILURE_EVENTS,
    KEY_PATH,
    NONE,
    UNDER_WAY,
    customization_failure,
    customization_outcome,
)
from libcloud_vsphere_clone.vcenter.properties import supported_paths
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref, Row

LINUX_LOG, WINDOWS_LOG = "/var/log/vmware-imc/toolsDeployPkg.log", r"C:\Windows\Temp\vmware-imc\guestcust.log"


def row(status: str = "", told: str = "", error: str = "", **values: Any) -> Row:
    found = Row(Ref("VirtualMachine", "vm-1"), {"name": "web", **values})
    if status:
        found["guest.customizationInfo"] = {"customizationStatus": f"TOOLSDEPLOYPKG_{status}", "errorMsg": error}
    if told:
        found[KEY_PATH] = told
    return found


def event(kind: str, **fields: str) -> dict[str, Any]:
    return {TYPE_KEY: kind, "key": "7", **fields}


def test_every_failure_event_of_the_api_is_known() -> None:
    """pyVmomi's own table of types, which it offers no other way."""
    parents = {name: entry[2] for name, entry in VmomiSupport._dataDefMap.items() if "Customization" in name}
    kinds = {name.rpartition(".")[2] for name, parent in parents.items() if parent == "vim.event.CustomizationFailed"}
    assert set(FAILURE_EVENTS) == kinds | {"CustomizationFailed"}


@pytest.mark.parametrize(
    ("status", "kind", "told", "expected"),
    [
        ("", "", "", NONE),
        ("IDLE", "", "", NONE),
        ("PENDING", "", "", UNDER_WAY),
        ("RUNNING", "", "", UNDER_WAY),
        ("SUCCEEDED", "", "", DONE),
        ("FAILED", "", "", FAILED),
        ("SOMETHING_NEW", "", "", NONE),
        # by events alone, as before 7.0.2
        ("", "CustomizationStartedEvent", "", UNDER_WAY),
        ("", "CustomizationSucceeded", "", DONE),
        *(("", kind, "", FAILED) for kind in FAILURE_EVENTS),
        # the status is of now, the event of the time before
        ("RUNNING", "CustomizationFailed", "", UNDER_WAY),
        ("SUCCEEDED", "CustomizationFailed", "", DONE),
        ("FAILED", "CustomizationSucceeded", "", FAILED),
        ("IDLE", "CustomizationSucceeded", "", DONE),
        # the guest's own word
        ("", "", "done", DONE),
        ("IDLE", "", " Done\n", DONE),
        ("", "", "running", UNDER_WAY),
        ("RUNNING", "", "done", UNDER_WAY),
        ("SUCCEEDED", "", "error: no such user", FAILED),
    ],
)
def test_status_event_and_key_decide_the_state_of_a_customization(
    status: str, kind: str, told: str, expected: str
) -> None:
    assert customization_outcome(row(status, told), event(kind) if kind else None).state == expected


@pytest.mark.parametrize("told", ["done", "running", "error: no such user"])
def test_the_guests_word_counts_where_it_is_asked_for(told: str) -> None:
    assert customization_outcome(row(told=told), None, by_guest=False).state == NONE


@pytest.mark.parametrize(
    ("found", "about", "expected"),
    [
        (row("FAILED", error="no NIC"), None, f"no NIC; the guest's log: {LINUX_LOG}"),
        (row("FAILED"), None, f"vCenter does not say why; the guest's log: {LINUX_LOG}"),
        (
            row("FAILED", error="no NIC"),
            event("CustomizationNetworkSetupFailed", fullFormattedMessage="It broke.", reason="badNIC"),
            f"It broke; badNIC; no NIC (CustomizationNetworkSetupFailed); the guest's log: {LINUX_LOG}",
        ),
        (
            row(),
            event("CustomizationFailed", reason="customizationDisabled", logLocation="/log"),
            "customizationDisabled (CustomizationFailed); the guest's log: /log",
        ),
        (row(), event("CustomizationFailed"), f"CustomizationFailed; the guest's log: {LINUX_LOG}"),
        (row(), event("CustomizationSysprepFailed"), f"CustomizationSysprepFailed; the guest's log: {WINDOWS_LOG}"),
        (
            row(**{"guest.guestFamily": "windowsGuest"}),
            event("CustomizationUnknownFailure"),
            f"CustomizationUnknownFailure; the guest's log: {WINDOWS_LOG}",
        ),
        (
            row(**{"config.guestId": "windows2019srv_64Guest"}),
            event("CustomizationFailed"),
            f"CustomizationFailed; the guest's log: {WINDOWS_LOG}",
        ),
        (row(told="error: no such user"), None, "no such user; the guest's log: /var/log/cloud-init.log"),
        (row(told="Error"), None, "Error; the guest's log: /var/log/cloud-init.log"),
    ],
)
def test_a_failed_customization_says_why(found: Row, about: dict[str, Any] | None, expected: str) -> None:
    outcome = customization_outcome(found, about)
    assert customization_failure(found, outcome) == f"the customization of node 'web' failed: {expected}"


def test_a_reason_may_still_come() -> None:
    assert not customization_outcome(row("FAILED"), None).is_explained
    assert customization_outcome(row("FAILED"), event("CustomizationFailed")).is_explained
    assert customization_outcome(row(told="error: x"), None).is_explained


@pytest.mark.parametrize(
    ("version", "is_there"),
    [("vim.version.v8_0_3_0", True), ("vim.version.v7_0_2_0", True), ("vim.version.v7_0", False)],
)
def test_the_status_is_asked_for_where_there_is_one(version: str, is_there: bool) -> None:
    paths = supported_paths("VirtualMachine", CUSTOMIZATION_PATHS, version)
    assert ("guest.customizationInfo" in paths) is is_there
    assert KEY_PATH in paths
