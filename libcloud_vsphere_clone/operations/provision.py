"""Clone plans → running nodes: all started, awaited together, and undone where they fail.

A clone is never sent twice. When its reply is lost, its task is looked for on the source and awaited, then the id that
the driver chose beforehand tells whether the node is there. What fails half-way is removed before the error goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import NameInUseError, NotFoundError, TaskError, VsphereError, error_of, translated
from ..inventory.images import find_image
from ..inventory.nodes import fetch_some
from ..model import marks
from ..model.layout import FolderNames
from ..model.places import PLACE_PATHS
from ..model.vm import Found
from ..parallel import in_parallel
from ..plan.clone import CLONE_PATHS, ClonePlan, NodeRequest, build_clone_plan, build_clone_plans
from ..vcenter.customization_specs import fetch_customization_spec
from ..vcenter.jobs import run_jobs
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .clone import UNDO_TIMEOUT_S, Clone, CloneProgress
from .extra_config import write_marks
from .folders import ensure_group_folder

log = logging.getLogger(__name__)

THREADS = 8
"""Failed clones that are looked into, or removed, at once."""

REDRAWS = 5
"""Times that names are drawn again: somebody else may draw the same ones just now, but not for ever."""

Redraw = Callable[[Sequence[int]], Sequence[ClonePlan]]
"""Plans for the nodes in these places of the group, with names that nobody has been refused yet."""


@dataclass(frozen=True)
class Outcome:
    """How the clones of a group went: the rows of the nodes that are there, and an error for each that is not.

    :param errors: ``{node name: error}``.
    """

    found: Found
    errors: dict[str, Exception]


@dataclass(frozen=True)
class Provisioner:
    """Makes nodes in one vCenter.

    :param names: where images and nodes are.
    """

    session: Session
    names: FolderNames

    def find_image(self, image_id: str, image_moid: str | None) -> tuple[Row, Found]:
        """The image with all that a plan asks of it, and the places around it. One round trip."""
        return find_image(
            self.session, self.names, image_id, moid=image_moid, extra=CLONE_PATHS, tree_paths=PLACE_PATHS
        )

    def complete(self, request: NodeRequest) -> NodeRequest:
        """The request with what only this vCenter knows: its API version, and the specification that is named, if any.

        No round trip without a name, one with.

        :raises NotFoundError: there is no specification of this name.
        """
        name = request.customization.spec_name
        stored = fetch_customization_spec(self.session, name) if name is not None else None
        return replace(request, stored_spec=stored, api_version=self.session.stub.version)

    def plan(self, request: NodeRequest, image_id: str, *, image_moid: str | None = None) -> tuple[ClonePlan, Found]:
        """The plan for one node, with everything in it checked. One round trip, or two; nothing is written."""
        request = self.complete(request)
        row, found = self.find_image(image_id, image_moid)
        return build_clone_plan(request, row, found.tree, found.layout.datacenter), found

    def plan_all(
        self, requests: Sequence[NodeRequest], image_id: str, places: Sequence[str], *, image_moid: str | None = None
    ) -> tuple[list[ClonePlan], Found]:
        """The plans for nodes of one group, each request complete. One round trip; nothing is written.

        :param places: locations that are filled in this order.
        """
        row, found = self.find_image(image_id, image_moid)
        return build_clone_plans(requests, row, found.tree, found.layout.datacenter, places), found

    def create(
        self, plan: ClonePlan, found: Found, *, timeout_s: float, on_progress: CloneProgress | None = None
    ) -> tuple[Row, Found]:
        """The row of the new node, its clone task done and, if wanted, its power on.

        :param timeout_s: seconds for the clone task.
        :raises VsphereError: it failed; nothing is left behind but, perhaps, the group's empty folder.
        """
        outcome = self.create_all([plan], found, timeout_s=timeout_s, max_in_flight=1, on_progress=on_progress)
        for error in outcome.errors.values():
            raise error
        return outcome.found.rows[0], outcome.found

    def create_all(
        self,
        plans: Sequence[ClonePlan],
        found: Found,
        *,
        timeout_s: float,
        max_in_flight: int,
        on_progress: CloneProgress | None = None,
        redraw: Redraw | None = None,
    ) -> Outcome:
        """How the nodes of one group went, each with its row or its error; what failed is removed.

        :param timeout_s: seconds for each clone task.
        :param max_in_flight: clones under way at once.
        :param redraw: plans anew, with other names, the nodes that were refused theirs.
        """
        group = plans[0].request.group
        folder = ensure_group_folder(self.session, found.tree, found.layout, self.names, group)

        def make(plan: ClonePlan) -> Clone:
            return Clone(self.session, plan, folder, timeout_s, on_progress)

        clones = [make(plan) for plan in plans]
        try:
            self._run(clones, max_in_flight)
            for _ in range(REDRAWS):
                if not (drawn_again := _draw_again(clones, redraw, make)):
                    break
                self._run(drawn_again, max_in_flight)
            made = self._finish(clones, found)
            _undo([(clone, clone.error) for clone in clones if clone.error is not None])
        except BaseException as interrupt:
            _undo_all(clones, interrupt)
            raise
        return Outcome(made, {clone.name: clone.error for clone in clones if clone.error is not None})

    def _run(self, clones: Sequence[Clone], max_in_flight: int) -> None:
        """Send these, and wait until each has its VM or its error."""
        run_jobs(self.session, [clone.job for clone in clones], max_in_flight=max_in_flight)
        _conclude(clones)

    def _finish(self, clones: Sequence[Clone], planned: Found) -> Found:
        """The rows of the clones that were made, in their order; the others have an error."""
        made = {clone.vm: clone for clone in clones if clone.vm is not None}
        if not made:
            return replace(planned, rows=[])
        try:
            with translated("read the new nodes"):
                found = self._read(made, planned)
        except VsphereError as lost:
            for clone in made.values():
                clone.error = error_of(clone.plan.action, lost)
            return replace(planned, rows=[])
        for vm in made.keys() - {row.ref for row in found.rows}:
            made[vm].error = NotFoundError("node", made[vm].name, "it was made, and someone removed it at once")
        for row in found.rows:
            made[row.ref].error = made[row.ref].error or _refused_keys_error(row, made[row.ref])
        return replace(found, rows=[row for row in found.rows if made[row.ref].error is None])

    def _read(self, made: Mapping[Ref, Clone], planned: Found) -> Found:
        """One round trip, more where vCenter has changed an id.

        :param planned: the tree that they were planned by; a folder that was made since is not in it.
        """
        told = {marks.mark_path(key) for clone in made.values() for key in clone.plan.kept_keys}
        around = planned if all(clone.folder in planned.tree.rows for clone in made.values()) else None
        found = fetch_some(self.session, self.names, list(made), extra=tuple(sorted(told)), around=around)
        changed = [row for row in found.rows if _has_other_id(row, made[row.ref])]
        for row in changed:
            try:
                self._adopt_changed_id(row)
            except VsphereError as failure:
                made[row.ref].error = failure
        return fetch_some(self.session, self.names, list(made), extra=tuple(sorted(told))) if changed else found

    def _adopt_changed_id(self, row: Row) -> None:
        """vCenter gives a clone another instanceUuid when the chosen one is taken: the mark has to follow."""
        action = f"mark node {row['name']!r} as managed"
        write_marks(self.session, row.ref, {marks.ID: row["config.instanceUuid"]}, action, timeout_s=UNDO_TIMEOUT_S)


def _has_other_id(row: Row, clone: Clone) -> bool:
    wanted = clone.plan.request.id
    return bool(row.get("config.instanceUuid", wanted) != wanted)


def _refused_keys_error(row: Row, clone: Clone) -> TaskError | None:
    """The error of a clone whose guest will not be told what it shall be: vCenter took the clone and not these keys."""
    paths = {key: marks.mark_path(key) for key in clone.plan.kept_keys}
    missing = [key for key, path in paths.items() if not row.get(path) and path not in row.unreadable]
    if not missing:
        return None
    return TaskError(
        f"could not {clone.plan.action}: vCenter made the clone without the keys {', '.join(missing)}, so its guest "
        "would not be customized; check whether a policy forbids guestinfo keys, or choose another mechanism with "
        "ex_customize=",
        action=clone.plan.action,
    )


def _draw_again(clones: list[Clone], redraw: Redraw | None, make: Callable[[ClonePlan], Clone]) -> list[Clone]:
    """New clones in the places of those whose names were taken: vCenter has made nothing of these."""
    taken = [place for place, clone in enumerate(clones) if isinstance(clone.error, NameInUseError)]
    if not taken or redraw is None:
        return []
    try:
        plans = redraw(taken)
    except VsphereError as failure:
        for place in taken:
            clones[place].error = failure
        return []
    for place, plan in zip(taken, plans, strict=True):
        clones[place] = make(plan)
    return [clones[place] for place in taken]


def _conclude(clones: Sequence[Clone]) -> None:
    lost = [clone for clone in clones if clone.is_lost]
    for clone in clones:
        if clone not in lost:
            clone.conclude()
    in_parallel(Clone.conclude, lost, threads=THREADS, name="recover")


def _undo(failed: Sequence[tuple[Clone, BaseException]]) -> None:
    """Remove what failed clones have made, several at once; each error is told what may remain."""
    in_parallel(lambda pair: pair[0].undo(pair[1]), failed, threads=THREADS, name="undo")


def _undo_all(clones: Sequence[Clone], failure: BaseException) -> None:
    """Remove all that the clones have made. A second Ctrl-C ends that, and is told what may remain."""
    try:
        _undo([(clone, failure) for clone in clones])
    except BaseException as interrupt:
        for remains in filter(None, (clone.remains for clone in clones)):
            log.error("%s: %s", remains, type(interrupt).__name__)
            interrupt.add_note(f"{remains}: {type(interrupt).__name__}")
        raise
