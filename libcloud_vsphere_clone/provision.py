"""Clone plans → running nodes: sent once, awaited, and undone when something fails.

A clone is never sent twice. When its reply is lost, its task is looked for on the source and awaited, then the id that
the driver chose beforehand tells whether the node is there. What fails half-way is removed before the error goes on.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim, vmodl

from .errors import CONNECTION_ERRORS, ConnectionFailedError, NotFoundError, TaskTimeoutError, VsphereError, translated
from .inventory import marks
from .inventory.groups import ensure_group_folder
from .inventory.images import find_image
from .inventory.layout import FolderNames
from .inventory.locations import PLACE_PATHS
from .inventory.lookup import locate_vm
from .inventory.nodes import Found, fetch_some
from .inventory.paths import unescape_name
from .lifecycle import destroy_vm
from .plan.clone import CLONE_PATHS, ClonePlan, NodeRequest, build_clone_plan, to_stored_name
from .vcenter.properties import fetch_row
from .vcenter.rows import Ref, Row
from .vcenter.session import Session
from .vcenter.tasks import Progress, cancel_task, running_tasks, wait_task
from .vcenter.types import to_managed

log = logging.getLogger(__name__)

CLONE_TASKS = ("VirtualMachine.clone", "VirtualMachine.cloneVM")
"""TaskInfo.descriptionId of a clone: vCenter's, and the simulator's."""

UNDO_TIMEOUT_S = 120.0
"""Seconds that removing a half-made clone may take before the error goes on without it."""

UNDO_ERRORS: tuple[type[Exception], ...] = (VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS)

LOOK_AGAIN_S = 1.0
"""Pause before a second look for a clone whose reply was lost: vCenter may have had it and not begun yet."""


@dataclass(frozen=True)
class Provisioner:
    """Makes nodes in one vCenter.

    :param names: where images and nodes are.
    """

    session: Session
    names: FolderNames

    def plan(self, request: NodeRequest, image_id: str, *, image_moid: str | None = None) -> tuple[ClonePlan, Found]:
        """The plan for one node, with everything in it checked. One round trip; nothing is written."""
        row, found = find_image(
            self.session, self.names, image_id, moid=image_moid, extra=CLONE_PATHS, tree_paths=PLACE_PATHS
        )
        return build_clone_plan(request, row, found.tree, found.layout.datacenter), found

    def create(
        self, plan: ClonePlan, found: Found, *, timeout_s: float, on_progress: Progress | None = None
    ) -> tuple[Row, Found]:
        """The row of the new node, its clone task done and, if wanted, its power on.

        :param timeout_s: seconds for the clone task.
        :raises VsphereError: it failed; nothing is left behind but, perhaps, the group's empty folder.
        """
        group = plan.request.group
        folder = ensure_group_folder(self.session, found.tree, found.layout, self.names, group)
        clone = Clone(self.session, plan, folder, time.monotonic() + timeout_s)
        try:
            with translated(plan.action):
                return self._finished(plan, clone.run(on_progress))
        except BaseException as failure:  # an interrupt included
            clone.undo(failure)
            raise

    def _finished(self, plan: ClonePlan, vm: Ref) -> tuple[Row, Found]:
        row, found = self._read(vm, plan)
        if row.get("config.instanceUuid", plan.request.id) != plan.request.id:
            self._adopt_changed_id(row)
            row, found = self._read(vm, plan)
        return row, found

    def _read(self, vm: Ref, plan: ClonePlan) -> tuple[Row, Found]:
        found = fetch_some(self.session, self.names, [vm])
        if not found.rows:
            raise NotFoundError("node", plan.request.name, "it was made, and someone removed it at once")
        return found.rows[0], found

    def _adopt_changed_id(self, row: Row) -> None:
        """vCenter gives a clone another instanceUuid when the chosen one is taken: the mark has to follow."""
        option = vim.option.OptionValue(key=marks.ID, value=row["config.instanceUuid"])
        vm = self.session.managed(*row.ref)
        action = f"mark node {row['name']!r} as managed"
        with translated(action):
            task = vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option]))
        wait_task(self.session, task, action, timeout_s=UNDO_TIMEOUT_S)


class Clone:
    """One clone on its way.

    :param deadline: ``time.monotonic()`` at which it is given up.
    """

    def __init__(self, session: Session, plan: ClonePlan, folder: Ref, deadline: float) -> None:
        self.session = session
        self.plan = plan
        self.folder = folder
        self.deadline = deadline
        self.task: Any = None
        self._sent = False  # vCenter may be making the VM

    def run(self, on_progress: Progress | None = None) -> Ref:
        """The new VM. When this fails, ``undo`` removes what was made."""
        try:
            self.task = self._start()
        except CONNECTION_ERRORS as lost:
            log.warning("%s: the reply was lost (%s); looking for its task", self.plan.action, type(lost).__name__)
            return self._recover(lost)
        result: Ref = self._await(self.task, on_progress)
        return result

    def undo(self, failure: BaseException) -> None:
        """Remove what the clone made; if even that fails, the error says what may remain."""
        if not self._sent:
            return
        try:
            self.deadline = time.monotonic() + UNDO_TIMEOUT_S
            vm = self._settle()
            if vm is not None:
                destroy_vm(self.session, vm, timeout_s=UNDO_TIMEOUT_S)
        except BaseException as second:
            name, uuid = self.plan.request.name, self.plan.request.id
            remains = f"VM {name!r} with instanceUuid {uuid} may remain: {str(second) or type(second).__name__}"
            log.error("%s", remains)
            failure.add_note(remains)
            if not isinstance(second, UNDO_ERRORS):  # a second Ctrl-C: the caller does not want to wait
                second.add_note(remains)
                raise

    def _start(self) -> Any:
        """The clone's task."""
        template, folder = self.session.managed(*self.plan.template), to_managed(self.folder)
        self._sent = True
        try:
            return template.CloneVM_Task(folder, to_stored_name(self.plan), self.plan.spec)
        except (vmodl.MethodFault, VsphereError):
            self._sent = False  # an answer: it was refused
            raise

    def _recover(self, lost: Exception) -> Ref:
        """The VM of a clone whose reply was lost.

        :raises ConnectionFailedError: vCenter never began it, or could not finish it.
        """
        try:
            row = self._search()
            if row is None:
                outcome = "vCenter has no such VM; it is safe to try again"
            elif self.plan.request.power_on and row.get("runtime.powerState") != "poweredOn":
                outcome = "the VM was made but not powered on; its clone task in vCenter says why"
            else:
                return row.ref
        except ConnectionFailedError as second:
            outcome = f"so did the search for the VM: {second}"
        message = f"could not {self.plan.action}: the connection broke ({lost!r}), and {outcome}"
        raise ConnectionFailedError(message, fault=lost) from lost

    def _settle(self) -> Ref | None:
        """What there is to remove once nothing is being made any more."""
        if self.task is None:
            row = self._search()
        else:
            cancel_task(self.session, self.task, timeout_s=UNDO_TIMEOUT_S)
            ended = fetch_row(self.session, Ref("Task", self.task._moId), ("info.result",))
            if ended is not None and isinstance(ended.get("info.result"), Ref):
                return Ref(*ended["info.result"])
            row = self._locate()
        return row.ref if row is not None else None

    def _search(self) -> Row | None:
        """The VM, once no clone of the image runs that may be ours."""
        for pause_s in (0.0, LOOK_AGAIN_S):
            time.sleep(pause_s)
            self._await_running_clones()
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
        return row if unescape_name(row.get("name", "")) == self.plan.request.name else None

    def _await_running_clones(self) -> None:
        """Wait until every clone of this image that runs now has ended: one of them may be ours.

        :raises TaskTimeoutError: one goes on.
        """
        for method in CLONE_TASKS:
            for task in running_tasks(self.session, self.plan.template, method):
                try:
                    self._await(task)
                except TaskTimeoutError:
                    raise
                except VsphereError as other:
                    log.info("a clone of the same image ended: %s", other)

    def _await(self, task: Any, on_progress: Progress | None = None) -> Any:
        """The task's result.

        :raises TaskTimeoutError: not before the deadline.
        """
        action, left_s = self.plan.action, max(1.0, self.deadline - time.monotonic())
        try:
            return wait_task(self.session, task, action, timeout_s=left_s, on_progress=on_progress)
        except TaskTimeoutError as late:
            message = f"could not {action} within {left_s:.0f} s, so it was given up; allow more with ex_timeout_s="
            raise TaskTimeoutError(message, action=action) from late
