"""Clone plans → running nodes: sent once, awaited, and undone when something fails.

A clone is never sent twice. When its reply is lost, its task is looked for on the source and awaited, then the id that
the driver chose beforehand tells whether the node is there. What fails half-way is removed before the error goes on.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from .errors import CONNECTION_ERRORS, ConnectionFailedError, NotFoundError, VsphereError, translated
from .inventory import marks
from .inventory.groups import ensure_group_folder
from .inventory.images import find_image
from .inventory.layout import FolderNames
from .inventory.locations import PLACE_PATHS
from .inventory.lookup import locate_vm
from .inventory.nodes import Found, fetch_some
from .lifecycle import destroy_vm
from .plan.clone import CLONE_PATHS, ClonePlan, NodeRequest, build_clone_plan, to_stored_name
from .vcenter.rows import Ref, Row
from .vcenter.session import Session
from .vcenter.tasks import Progress, cancel_task, running_tasks, wait_task
from .vcenter.types import to_managed

log = logging.getLogger(__name__)

CLONE_TASKS = ("VirtualMachine.clone", "VirtualMachine.cloneVM")
"""TaskInfo.descriptionId of a clone: vCenter's, and the simulator's."""

UNDO_TIMEOUT_S = 120.0
"""Seconds that removing a half-made clone may take before the error goes on without it."""


UNDO_ERRORS: tuple[type[Exception], ...] = (VsphereError, *CONNECTION_ERRORS)

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
        vm = clone.run(on_progress)
        return self._finished(plan, vm)

    def _finished(self, plan: ClonePlan, vm: Ref) -> tuple[Row, Found]:
        row, found = self._read(vm, plan)
        if row["config.instanceUuid"] != plan.request.id:
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
        self._lost: Exception | None = None

    def run(self, on_progress: Progress | None = None) -> Ref:
        """The new VM. On any failure, an interrupt included, what was made is removed first."""
        try:
            self.task = self._start()
            if self.task is None:
                return self._recover()
            result: Ref = wait_task(
                self.session, self.task, self.plan.action, timeout_s=self._left_s(), on_progress=on_progress
            )
            return result
        except BaseException as failure:
            self._undo(failure)
            raise

    def _start(self) -> Any:
        """The clone's task; None when the reply was lost and it may or may not have started."""
        template = self.session.managed(*self.plan.template)
        folder = to_managed(self.folder)
        with translated(self.plan.action):
            try:
                return template.CloneVM_Task(folder, to_stored_name(self.plan), self.plan.spec)
            except CONNECTION_ERRORS as lost:
                log.warning("%s: the reply was lost (%s); looking for its task", self.plan.action, type(lost).__name__)
                self._lost = lost
                return None

    def _recover(self) -> Ref:
        """The VM of a clone whose reply was lost.

        :raises ConnectionFailedError: vCenter never began it.
        """
        for pause_s in (0.0, LOOK_AGAIN_S):
            time.sleep(pause_s)
            self._await_running_clones()
            vm = locate_vm(self.session, self.plan.request.id)
            if vm is not None:
                return vm
        raise ConnectionFailedError(
            f"could not {self.plan.action}: the connection broke ({self._lost!r}) and vCenter "
            "has no such VM; it is safe to try again",
            fault=self._lost,
        ) from self._lost

    def _await_running_clones(self) -> None:
        """Wait until every clone of this image that runs now has ended: one of them may be ours."""
        for method in CLONE_TASKS:
            for task in running_tasks(self.session, self.plan.template, method):
                try:
                    wait_task(self.session, task, "await a running clone", timeout_s=self._left_s())
                except VsphereError as other:
                    log.info("a clone of the same image ended: %s", other)

    def _undo(self, failure: BaseException) -> None:
        """Remove what the clone made; if even that fails, the error says what may remain."""
        try:
            self.deadline = time.monotonic() + UNDO_TIMEOUT_S
            if self.task is not None:
                cancel_task(self.session, self.task, timeout_s=UNDO_TIMEOUT_S)
            else:
                self._await_running_clones()
            vm = locate_vm(self.session, self.plan.request.id)
            if vm is not None:
                destroy_vm(self.session, vm, timeout_s=UNDO_TIMEOUT_S)
        except UNDO_ERRORS as second:
            remains = f"VM {self.plan.request.name!r} with instanceUuid {self.plan.request.id} may remain: {second}"
            log.error("%s", remains)
            failure.add_note(remains)

    def _left_s(self) -> float:
        return max(1.0, self.deadline - time.monotonic())
