"""One clone's life: sent once, found again when its reply is lost, removed when it fails.

Takes a plan and its folder, gives the VM. What is sent and awaited together is ``provision``'s.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from pyVmomi import vmodl

from ..errors import ConnectionFailedError, TaskTimeoutError, VsphereError
from ..inventory.lookup import locate_vm
from ..model.names import unescape_name
from ..option_names import option
from ..plan.clone import ClonePlan, to_stored_name
from ..vcenter.jobs import Job
from ..vcenter.properties import fetch_row
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from ..vcenter.tasks import cancel_task, running_tasks, wait_task
from ..vcenter.types import to_managed
from .destroy import destroy_vm

log = logging.getLogger(__name__)

CLONE_TASKS = ("VirtualMachine.clone", "VirtualMachine.cloneVM")
"""TaskInfo.descriptionId of a clone: vCenter's, and the simulator's."""

UNDO_TIMEOUT_S = 120.0
"""Seconds that removing a half-made clone may take before the error goes on without it."""

LOOK_AGAIN_S = 1.0
"""Pause before a second look for a clone whose reply was lost: vCenter may have had it and not begun yet."""

CloneProgress = Callable[[str, int], None]
"""Called with a node's name and vCenter's percentage."""


class Clone:
    """One clone: its plan, its job, and in the end its VM or its error.

    :param timeout_s: seconds for its task.
    """

    def __init__(
        self, session: Session, plan: ClonePlan, folder: Ref, timeout_s: float, on_progress: CloneProgress | None = None
    ) -> None:
        self.session = session
        self.plan = plan
        self.folder = folder
        self.vm: Ref | None = None
        self.error: Exception | None = None
        tell = self._teller(on_progress)
        self.job = Job(plan.action, self._start, timeout_s, tell, cancel_overdue=True, kind="CloneVM_Task")
        self._sent = False  # vCenter may be making the VM

    @property
    def name(self) -> str:
        """The node's name."""
        return self.plan.request.name

    @property
    def is_lost(self) -> bool:
        """Whether it was sent and the reply was lost: then it takes time to conclude."""
        return self._sent and self.job.task is None

    @property
    def remains(self) -> str:
        """What to look for in vCenter if it could not be removed; empty when there is nothing."""
        return f"VM {self.name!r} with instanceUuid {self.plan.request.id} may remain" if self._sent else ""

    def conclude(self) -> None:
        """Take over how the job went: the VM, or the error. A lost reply is looked into."""
        failure = self.job.error
        if failure is None:
            self.vm = self.job.result
        elif self.is_lost:
            self._recover(failure)
        elif isinstance(failure, TaskTimeoutError):
            self.error = self._given_up(failure)
        else:
            self.error = failure

    def undo(self, failure: BaseException) -> None:
        """Remove what the clone made; if even that fails, the error says what may remain."""
        if not self._sent:
            return
        try:
            vm = self._settle()
            if vm is not None:
                destroy_vm(self.session, vm, timeout_s=UNDO_TIMEOUT_S)
        except Exception as second:
            note = f"{self.remains}: {str(second) or type(second).__name__}"
            log.error("%s", note)
            failure.add_note(note)
        else:
            self._sent = False

    def _start(self) -> Any:
        """The clone's task."""
        template, folder = self.session.managed(*self.plan.template), to_managed(self.folder)
        self._sent = True
        try:
            return template.CloneVM_Task(folder, to_stored_name(self.plan), self.plan.spec)
        except (vmodl.MethodFault, VsphereError):
            self._sent = False  # an answer: it was refused
            raise

    def _recover(self, failure: Exception) -> None:
        """The VM of a clone whose reply was lost; or the error, when vCenter never began it or could not finish it."""
        lost = getattr(failure, "fault", None) or failure
        log.warning("%s: the reply was lost (%s); looking for its task", self.plan.action, type(lost).__name__)
        try:
            row = self._search(self.job.timeout_s)
            if row is None:
                outcome = "vCenter has no such VM; it is safe to try again"
            elif self.plan.request.options.power_on and row.get("runtime.powerState") != "poweredOn":
                outcome = "the VM was made but not powered on; its clone task in vCenter says why"
            else:
                self.vm = row.ref
                return
        except TaskTimeoutError as late:
            self.error = self._given_up(late)
            return
        except VsphereError as second:
            outcome = f"the search for the VM failed: {second.marked}"
        message = f"could not {self.plan.action}: the connection broke ({lost!r}), and {outcome}"
        self.error = ConnectionFailedError(message, fault=lost)
        self.error.__cause__ = failure

    def _given_up(self, late: TaskTimeoutError) -> TaskTimeoutError:
        action, timeout_s = self.plan.action, self.job.timeout_s
        longer = option("timeout_s=")
        message = f"could not {action} within {timeout_s:.0f} s, so it was given up; allow more with {longer}"
        error = TaskTimeoutError(message, action=action)
        error.__cause__ = late
        return error

    def _settle(self) -> Ref | None:
        """What there is to remove once nothing is being made any more."""
        made = self.vm or self.job.result
        if made is not None:
            return Ref(*made)
        if self.job.task is None:
            row = self._search(UNDO_TIMEOUT_S)
        else:
            if not self.job.ended:
                cancel_task(self.session, self.job.task, timeout_s=UNDO_TIMEOUT_S)
            ended = fetch_row(self.session, self.job.ref, ("info.result",))
            if ended is not None and isinstance(ended.get("info.result"), Ref):
                return Ref(*ended["info.result"])
            row = self._locate()
        return row.ref if row is not None else None

    def _search(self, timeout_s: float) -> Row | None:
        """The VM, once no clone of the image runs that may be ours."""
        deadline = time.monotonic() + timeout_s
        for pause_s in (0.0, LOOK_AGAIN_S):
            time.sleep(pause_s)
            self._await_running_clones(deadline)
            row = self._locate()
            if row is not None:
                return row
        return None

    def _locate(self) -> Row | None:
        """The VM by its id, when it also is where and what the clone was to be: another VM may have the id."""
        vm = locate_vm(self.session, self.plan.request.id)
        row = fetch_row(self.session, vm, ("name", "parent", "runtime.powerState")) if vm is not None else None
        if row is None or row.get("parent") != self.folder:
            return None
        return row if unescape_name(row.get("name", "")) == self.name else None

    def _await_running_clones(self, deadline: float) -> None:
        """Wait until every clone of this image that runs now has ended: one of them may be ours.

        :raises TaskTimeoutError: one goes on.
        """
        for task in running_tasks(self.session, self.plan.template, *CLONE_TASKS):
            try:
                left_s = max(1.0, deadline - time.monotonic())
                wait_task(self.session, task, self.plan.action, timeout_s=left_s)
            except TaskTimeoutError:
                raise
            except VsphereError as other:
                log.info("a clone of the same image ended: %s", other)

    def _teller(self, on_progress: CloneProgress | None) -> Callable[[int], None] | None:
        return None if on_progress is None else lambda percent: on_progress(self.name, percent)
