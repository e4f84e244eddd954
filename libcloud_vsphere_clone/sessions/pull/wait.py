"""The wait for a guest that carries out its deployment by itself: nothing connects in.

Takes the VM's reference; gives the guest's report, once vCenter (or the callback) has it. The deployment travels as
a script of the guest's first boot: ``recording.py`` and ``bootstrap.py`` make it, ``replay.py`` plays the report back.

    recording = record(deployment, "root")
    script = recording.bootstrap()                        # into the node's user data
    report = wait_report(session, vm, token=recording.token, timeout_s=600)
    deployment.run(node, replay(recording, report))       # ends as over SSH

Any user of a guest may write guestinfo, so a report proves no more than the guest itself is worth.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from ...errors import NotFoundError, TaskError, TaskTimeoutError, translated
from ...vcenter.rows import Ref, Row
from ...vcenter.session import Session
from ...vcenter.updates import watch_rows
from .callback import CallbackReceiver
from .report import Report, read_report

__all__ = ["wait_report"]

REPORT_KEY = "guestinfo.libcloud.report"
STATUS_KEY = "guestinfo.libcloud.status"

POWER = "runtime.powerState"
REPORT = f'config.extraConfig["{REPORT_KEY}"].value'
STATUS = f'config.extraConfig["{STATUS_KEY}"].value'
PATHS = ("name", POWER, REPORT, STATUS)

LOOK_S = 3.0
"""How often a wait for a callback looks at the callbacks: vCenter holds its answers for no longer than that."""


def wait_report(
    session: Session,
    vm: Ref,
    *,
    timeout_s: float,
    token: str | None = None,
    receiver: CallbackReceiver | None = None,
) -> Report:
    """Wait until the deployment has ended in the guest; what the guest reports of it.

    :param timeout_s: seconds for the whole wait, boot included.
    :param token: the recording's. A report with another one, such as that of the VM it was cloned from, is not its.
    :param receiver: where the guest posts, if not into guestinfo; it expects the token already, and not any more
        afterwards.
    :raises TaskTimeoutError: no report in time; it says what the guest said last.
    :raises TaskError: the guest was powered off before it reported, or says that it cannot carry it out.
    :raises NotFoundError: the VM was removed.
    Source: VirtualMachine.config.extraConfig, runtime.powerState (vSphere Web Services API).
    """
    row, look_at = Row(vm), math.inf
    changes = watch_rows(session, {vm: PATHS}, timeout_s=timeout_s, wake_at=lambda: look_at)
    with translated("wait for the guest's report"), _forgotten(receiver, token), closing(changes):
        for rows in changes:
            row = _still_there(rows[vm], vm)
            report = _posted(receiver, token) or _report(row, token)
            if report is not None:
                return report
            _check(row, token)
            look_at = math.inf if receiver is None else time.monotonic() + LOOK_S
    raise _too_late(row, token, timeout_s, callback=receiver is not None)


@contextmanager
def _forgotten(receiver: CallbackReceiver | None, token: str | None) -> Iterator[None]:
    """The receiver takes the report in the block only."""
    try:
        yield
    finally:
        if receiver is not None and token is not None:
            receiver.forget(token)


def _posted(receiver: CallbackReceiver | None, token: str | None) -> Report | None:
    return None if receiver is None or token is None else receiver.take(token, timeout_s=0)


def _report(row: Row, token: str | None) -> Report | None:
    text = row.get(REPORT)
    if not text:
        return None
    report = read_report(str(text))
    return report if token in (None, report.token) else None


def _still_there(row: Row | None, vm: Ref) -> Row:
    if row is None:
        raise NotFoundError("node", vm.moid, "it was removed while waiting for its report")
    return row


def _status(row: Row, token: str | None) -> str:
    """What the guest last said of its progress: ``running 2 of 3``."""
    whose, _, words = str(row.get(STATUS) or "").partition(" ")
    return words if token in (None, whose) else ""


def _check(row: Row, token: str | None) -> None:
    status = _status(row, token)
    if status.startswith("cannot "):
        why = status.removeprefix("cannot ")
        raise TaskError(f"node {row.get('name')!r} cannot carry out the deployment: {why}", action="deploy")
    if row.get(POWER, "poweredOn") != "poweredOn":
        raise TaskError(
            f"node {row.get('name')!r} is {row[POWER]} and has not reported; the last it said is "
            f"{status or 'nothing'!r}; its /var/log/cloud-init.log may say why",
            action="deploy",
        )


def _too_late(row: Row, token: str | None, timeout_s: float, *, callback: bool) -> TaskTimeoutError:
    status = _status(row, token)
    reached = "that the guest reaches the callback's address" if callback else "that the guest has VMware Tools"
    advice = (
        f"it was {status}; a longer wait, or time-outs of the steps, may help"
        if status
        else f"it said nothing: check that the image runs cloud-init, {reached}, and that it may write guestinfo "
        "(isolation.tools.setInfo.disable)"
    )
    return TaskTimeoutError(f"no report of node {row.get('name')!r} within {timeout_s:g} s: {advice}", action="deploy")
