"""How far a guest's customization is, by all that can tell of it. (pure)

Takes a VM's row and its latest event; gives the state, and of a failure why and where the guest has written more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..model import marks
from ..model.vm import is_windows
from ..vcenter.events import Event, event_kind
from ..vcenter.rows import Row

__all__ = [
    "CUSTOMIZATION_EVENTS",
    "CUSTOMIZATION_PATHS",
    "DONE",
    "FAILED",
    "FAILURE_EVENTS",
    "NONE",
    "UNDER_WAY",
    "CustomizationOutcome",
    "customization_failure",
    "customization_outcome",
]

INFO_PATH = "guest.customizationInfo"  # 7.0.2 and later
KEY_PATH = marks.mark_path(marks.CUSTOMIZED)
CUSTOMIZATION_PATHS = (INFO_PATH, KEY_PATH, "guest.guestFamily", "config.guestId")

SUCCESS_EVENT = "CustomizationSucceeded"
START_EVENT = "CustomizationStartedEvent"
SYSPREP_EVENT = "CustomizationSysprepFailed"
FAILURE_EVENTS = (
    "CustomizationFailed",
    "CustomizationLinuxIdentityFailed",
    "CustomizationNetworkSetupFailed",
    SYSPREP_EVENT,
    "CustomizationUnknownFailure",
)
"""vCenter matches an event's very type: each has to be named."""

CUSTOMIZATION_EVENTS = (START_EVENT, SUCCESS_EVENT, *FAILURE_EVENTS)

NONE, UNDER_WAY, DONE, FAILED = "none", "under way", "done", "failed"

_STATES = {
    "TOOLSDEPLOYPKG_PENDING": UNDER_WAY,
    "TOOLSDEPLOYPKG_RUNNING": UNDER_WAY,
    "TOOLSDEPLOYPKG_SUCCEEDED": DONE,
    "TOOLSDEPLOYPKG_FAILED": FAILED,
}

VCENTER_LOGS = {
    True: r"C:\Windows\Temp\vmware-imc\guestcust.log",
    False: "/var/log/vmware-imc/toolsDeployPkg.log",
}
"""Where a guest keeps vCenter's customization log: Windows, and others."""
CLOUD_INIT_LOG = "/var/log/cloud-init.log"


class CustomizationOutcome(NamedTuple):
    """How far the customization is.

    :param state: ``NONE``, ``UNDER_WAY``, ``DONE`` or ``FAILED``.
    :param said: why it failed, as far as that is known.
    :param log: where the guest has written more.
    :param is_explained: whether the event with vCenter's reason is there, or none will come.
    """

    state: str
    said: str = ""
    log: str = ""
    is_explained: bool = True


def customization_outcome(row: Row, event: Event | None, *, by_guest: bool = True) -> CustomizationOutcome:
    """What vCenter's status, its latest event and the guest's own word say together.

    The status is of the latest customization; events come a moment later, and are all there is before 7.0.2.

    :param by_guest: whether the guest's own word counts.
    Source: GuestInfo.customizationInfo, CustomizationEvent (vSphere Web Services API).
    """
    told = str(row.get(KEY_PATH) or "").strip() if by_guest else ""
    if told.lower().startswith("error"):
        return CustomizationOutcome(FAILED, told.partition(":")[2].strip() or told, CLOUD_INIT_LOG)
    info = row.get(INFO_PATH) or {}
    state = _STATES.get(str(info.get("customizationStatus"))) or _state_by(event)
    if state == FAILED:
        return _failed(row, info, event)
    if state == NONE and told:
        return CustomizationOutcome(DONE if told.lower() == "done" else UNDER_WAY)
    return CustomizationOutcome(state)


def customization_failure(row: Row, outcome: CustomizationOutcome) -> str:
    """That it failed, why, and where to look."""
    return f"the customization of node {row.get('name')!r} failed: {outcome.said}; the guest's log: {outcome.log}"


def _state_by(event: Event | None) -> str:
    kind = event_kind(event)
    if kind in FAILURE_EVENTS:
        return FAILED
    return {START_EVENT: UNDER_WAY, SUCCESS_EVENT: DONE}.get(kind, NONE)


def _failed(row: Row, info: Mapping[str, Any], event: Event | None) -> CustomizationOutcome:
    kind = event_kind(event)
    if event is None or kind not in FAILURE_EVENTS:
        return CustomizationOutcome(
            FAILED, info.get("errorMsg") or "vCenter does not say why", _log(row), is_explained=False
        )
    parts = dict.fromkeys(
        str(part).strip().rstrip(".")
        for part in (event.get("fullFormattedMessage"), event.get("reason"), info.get("errorMsg"))
        if part
    )
    said = "; ".join(parts)
    log = event.get("logLocation") or _log(row, kind)
    return CustomizationOutcome(FAILED, f"{said} ({kind})" if said else kind, log)


def _log(row: Row, kind: str = "") -> str:
    in_windows = row.get("guest.guestFamily") == "windowsGuest" or is_windows(row) or kind == SYSPREP_EVENT
    return VCENTER_LOGS[in_windows]
