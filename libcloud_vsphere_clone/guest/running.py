"""The wait until VMs run and have an address, by updates from vCenter: references in, addresses out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import NotFoundError, TaskError, TaskTimeoutError, translated
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from ..vcenter.updates import watch_rows
from .addresses import own_addresses

RUNNING_PATHS = (
    "name",
    "runtime.powerState",
    "runtime.question",
    "guest.net",
    "guest.toolsRunningStatus",
    "config.hardware.device",
)

ON = "poweredOn"
OFF_FOR_S = 2.0
"""Seconds after which a VM that was off from the start is not waited for any more."""

Choose = Callable[[list[str], list[str]], list[str]]
"""Picks from public and private addresses those that count."""


def wait_running(session: Session, vms: Sequence[Ref], choose: Choose, *, timeout_s: float) -> dict[Ref, list[str]]:
    """The addresses of each VM, once all run and have some.

    :param timeout_s: seconds for all of them together.
    :raises TaskTimeoutError: some have none in time; it says what each last reported.
    :raises NotFoundError: one was removed.
    :raises TaskError: one asks a question and waits for an answer, or is powered off.
    Source: GuestInfo.net, VirtualMachine.runtime (vSphere Web Services API).
    """
    rows: dict[Ref, Row | None] = {}
    seen = False
    with translated(f"wait for {len(vms)} nodes to run"):
        for rows in watch_rows(session, dict.fromkeys(vms, RUNNING_PATHS), timeout_s=timeout_s):
            addresses = {vm: _addresses(vm, rows[vm], choose) for vm in vms}
            if all(addresses.values()):
                return addresses
            if not seen:
                seen = True
                _check_power(session, [row for row in rows.values() if row is not None], timeout_s)
    late = [_report(row, choose) for row in rows.values() if row is not None and not _addresses(row.ref, row, choose)]
    raise TaskTimeoutError(f"no address within {timeout_s:.0f} s: {'; '.join(late)}", action="wait until running")


def adapter_macs(row: Row) -> list[str]:
    """The MAC addresses of the VM's own adapters."""
    devices: list[Any] = row.get("config.hardware.device") or []
    return [device["macAddress"] for device in devices if isinstance(device, dict) and device.get("macAddress")]


def _check_power(session: Session, rows: Sequence[Row], timeout_s: float) -> None:
    """Nobody will start a VM that is off and stays off for a moment: a start, or a reboot, would show in that time.

    :raises TaskError: there is such a VM.
    """
    off = {row.ref: row for row in rows if _is_off(row)}
    paths = dict.fromkeys(off, ("runtime.powerState",))
    for seen in watch_rows(session, paths, timeout_s=min(OFF_FOR_S, timeout_s)) if off else ():
        off = {ref: row for ref, row in off.items() if _is_off(seen[ref])}
        if not off:
            return
    if off:
        states = ", ".join(f"{row.get('name')!r} is {row['runtime.powerState']}" for row in off.values())
        raise TaskError(f"no address can come: {states}; start it with start_node", action="wait until running")


def _is_off(row: Row | None) -> bool:
    return row is not None and row.get("runtime.powerState", ON) != ON


def _addresses(vm: Ref, row: Row | None, choose: Choose) -> list[str]:
    if row is None:
        raise NotFoundError("node", vm.moid, "it was removed while waiting for it")
    question = row.get("runtime.question")
    if question:
        raise TaskError(f"node {row.get('name')!r} asks {question.get('text')!r} and waits; answer it in vCenter")
    if row.get("runtime.powerState") != ON:
        return []
    return choose(*own_addresses(row.get("guest.net") or [], adapter_macs(row)))


def _report(row: Row, choose: Choose) -> str:
    """What a VM last said of itself, and what to do about it."""
    public, private = own_addresses(row.get("guest.net") or [], adapter_macs(row))
    power, tools = row.get("runtime.powerState"), row.get("guest.toolsRunningStatus", "unknown")
    seen = ", ".join([*public, *private]) or "none"
    advice = "" if tools == "guestToolsRunning" else "; vCenter learns addresses from VMware Tools only: install them"
    return f"{row.get('name')!r} is {power}, its tools are {tools}, its addresses are {seen}{advice}"
