"""What keeps a VM from ever being ready, by what vCenter last said of it, and how to say so. (pure)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import TaskError, VsphereError
from ..vcenter.rows import Row
from .address_choice import seen_addresses
from .customization import FAILED, NONE, UNDER_WAY, CustomizationOutcome
from .debounce import Debounce
from .wait import Wait

__all__ = ["OFF_FOR_S", "STATE_PATHS", "advice", "are_tools_ready", "find_obstacle", "is_on", "lacks_tools", "report"]

STATE_PATHS = (
    "name",
    "runtime.powerState",
    "runtime.question",
    "guest.toolsRunningStatus",
    "guest.toolsVersionStatus2",
    "guest.guestOperationsReady",
)

ON = "poweredOn"
RUNNING = "guestToolsRunning"
OFF_FOR_S = 2.0
"""Seconds after which a VM that is off is not waited for any more: a start, or a reset, would show in that time."""

ACTION = "wait until running"


def find_obstacle(row: Row, wait: Wait, outcome: CustomizationOutcome, debounce: Debounce) -> VsphereError | None:
    """Why the VM will never be ready; None while it still may."""
    name, question = row.get("name"), row.get("runtime.question")
    if question:
        return TaskError(f"node {name!r} asks {question.get('text')!r} and waits; answer it in vCenter", action=ACTION)
    if debounce.has_held("off", not is_on(row), OFF_FOR_S):
        state = row.get("runtime.powerState")
        what = "no address can come" if wait.needs_address else "no guest can answer"
        return TaskError(f"{what}: {name!r} is {state}; start it with start_node", action=ACTION)
    why = _no_way_to_talk(row, wait, outcome, debounce) if is_on(row) else ""
    return TaskError(f"{why}; {report(row)}", action=ACTION) if why else None


def _no_way_to_talk(row: Row, wait: Wait, outcome: CustomizationOutcome, debounce: Debounce) -> str:
    """Why nothing can be learnt of the guest; empty where it can. Adapters that vCenter disconnects while it customizes
    are no obstacle."""
    cut_off = wait.needs_address and outcome.state != UNDER_WAY and _is_cut_off(row)
    if debounce.has_held("cut off", cut_off, wait.nic_grace_s):
        return f"no address can come: node {row.get('name')!r} has {_adapters(row)}; connect one to a network"
    if not lacks_tools(row, wait, debounce) or (wait.needs_address and wait.expected):
        return ""
    return (
        f"nothing can be heard of the guest of node {row.get('name')!r}: VMware Tools are not installed in it; "
        "install open-vm-tools in the image"
    )


def lacks_tools(row: Row, wait: Wait, debounce: Debounce) -> bool:
    """Whether vCenter has long been sure that the guest, which runs, has no VMware Tools."""
    absent = row.get("guest.toolsVersionStatus2") == "guestToolsNotInstalled"
    absent = absent and is_on(row) and row.get("guest.toolsRunningStatus") != RUNNING
    return debounce.has_held("no tools", absent, wait.tools_grace_s)


def are_tools_ready(row: Row) -> bool:
    """Whether VMware Tools take guest operations; where vCenter does not say, whether they run."""
    ready = row.get("guest.guestOperationsReady")
    return bool(row.get("guest.toolsRunningStatus") == RUNNING if ready is None else ready)


def is_on(row: Row) -> bool:
    """Whether the VM is on, as far as it says."""
    return bool(row.get("runtime.powerState", ON) == ON)


def report(row: Row) -> str:
    """What a VM last said of itself."""
    power, tools = row.get("runtime.powerState"), row.get("guest.toolsRunningStatus", "unknown")
    addresses = ", ".join(seen_addresses(row)) or "none"
    cut_off = f", it has {_adapters(row)}" if _is_cut_off(row) else ""
    return f"{row.get('name')!r} is {power}, its tools are {tools}, its addresses are {addresses}{cut_off}"


def advice(row: Row, wait: Wait, outcome: CustomizationOutcome) -> str:
    """What else to know of a VM that is late, and what to do about it."""
    parts = []
    if outcome.state == UNDER_WAY:
        parts.append("it is being customized")
    elif outcome.state == FAILED:
        parts.append(f"its customization failed: {outcome.said}")
    elif wait.follows_customization and outcome.state == NONE:
        parts.append("neither vCenter nor the guest has said that it is being customized")
    if row.get("guest.toolsRunningStatus") != RUNNING:
        parts.append("vCenter learns addresses from VMware Tools only: install them")
    return "".join(f"; {part}" for part in parts)


def _is_cut_off(row: Row) -> bool:
    """Whether the VM is known to have no adapter that is connected."""
    return "config.hardware.device" in row and not any(map(_is_connected, _adapters_of(row)))


def _is_connected(adapter: Mapping[str, Any]) -> bool:
    connectable = adapter.get("connectable")
    said = connectable.get("connected") if isinstance(connectable, Mapping) else None
    return said not in ("false", "0", False)


def _adapters_of(row: Row) -> list[Mapping[str, Any]]:
    devices: list[Any] = row.get("config.hardware.device") or []
    return [device for device in devices if isinstance(device, Mapping) and device.get("macAddress")]


def _adapters(row: Row) -> str:
    found = ", ".join(str(adapter["macAddress"]) for adapter in _adapters_of(row))
    return f"disconnected network adapters only ({found})" if found else "no network adapter"
