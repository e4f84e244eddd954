"""Clone plans → running nodes: all started, awaited together, and undone where they fail.

A clone is never sent twice. When its reply is lost, its task is looked for on the source and awaited, then the id that
the driver chose beforehand shows whether the node is there. What fails half-way is removed before the error goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import NameInUseError, NotFoundError, TaskError, VsphereError, error_of, translated
from ..inventory.nodes import fetch_some
from ..model import marks
from ..model.images import CloneSource
from ..model.layout import FolderNames
from ..model.vm import Found
from ..option_names import option
from ..parallel import in_parallel
from ..plan.clone import ClonePlan
from ..vcenter.jobs import run_jobs
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .clone import UNDO_TIMEOUT_S, Clone, CloneProgress
from .extra_config import write_marks
from .folders import ensure_group_folder

log = logging.getLogger(__name__)

THREADS = 8
"""Failed clones that are looked into, or removed, at once."""

RENAMES = 5
"""Times that names are drawn again where other callers took them meanwhile."""

Replan = Callable[[Sequence[int]], Sequence[ClonePlan]]
"""Plans anew, with other names, the nodes at these positions of the group."""


@dataclass(frozen=True)
class CloneResults:
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

    def create(
        self, plan: ClonePlan, source: CloneSource, *, on_progress: CloneProgress | None = None
    ) -> tuple[Row, Found]:
        """The row of the new node, its clone task done and, if wanted, its power on.

        :raises VsphereError: it failed; nothing is left behind but, perhaps, the group's empty folder.
        """
        results = self.create_all([plan], source, max_in_flight=1, on_progress=on_progress)
        for error in results.errors.values():
            raise error
        return results.found.rows[0], results.found

    def create_all(
        self,
        plans: Sequence[ClonePlan],
        source: CloneSource,
        *,
        max_in_flight: int,
        on_progress: CloneProgress | None = None,
        replan: Replan | None = None,
    ) -> CloneResults:
        """How the nodes of one group went, each with its row or its error; what failed is removed.

        :param source: what the plans were made of.
        :param max_in_flight: clones under way at once.
        :param replan: called for nodes that were refused their names; None makes these errors.
        """
        options = plans[0].request.options
        folder = ensure_group_folder(self.session, source.tree, source.layout, self.names, options.group)

        def make(plan: ClonePlan) -> Clone:
            return Clone(self.session, plan, folder, options.timeout_s, on_progress)

        clones = [make(plan) for plan in plans]
        try:
            self._run(clones, max_in_flight)
            for _ in range(RENAMES):
                if not (renamed := _rename(clones, replan, make)):
                    break
                self._run(renamed, max_in_flight)
            made = self._finish(clones, source)
            _undo([(clone, clone.error) for clone in clones if clone.error is not None])
        except BaseException as interrupt:
            _undo_all(clones, interrupt)
            raise
        return CloneResults(made, {clone.name: clone.error for clone in clones if clone.error is not None})

    def _run(self, clones: Sequence[Clone], max_in_flight: int) -> None:
        """Send these, and wait until each has its VM or its error."""
        run_jobs(self.session, [clone.job for clone in clones], max_in_flight=max_in_flight)
        _conclude(clones)

    def _finish(self, clones: Sequence[Clone], source: CloneSource) -> Found:
        """The rows of the clones that were made, in their order; the others have an error."""
        made = {clone.vm: clone for clone in clones if clone.vm is not None}
        if not made:
            return Found([], source.tree, source.layout)
        try:
            with translated("read the new nodes"):
                found = self._read(made, source)
        except VsphereError as lost:
            for clone in made.values():
                clone.error = error_of(clone.plan.action, lost)
            return Found([], source.tree, source.layout)
        for vm in made.keys() - {row.ref for row in found.rows}:
            made[vm].error = NotFoundError("node", made[vm].name, "it was made, and someone removed it at once")
        for row in found.rows:
            made[row.ref].error = made[row.ref].error or _refused_keys_error(row, made[row.ref])
        return replace(found, rows=[row for row in found.rows if made[row.ref].error is None])

    def _read(self, made: Mapping[Ref, Clone], source: CloneSource) -> Found:
        """One round trip, more where vCenter has changed an id.

        :param source: the tree that they were planned by; a folder that was made since is not in it.
        """
        kept = tuple(sorted({marks.mark_path(key) for clone in made.values() for key in clone.plan.kept_keys}))
        is_known = all(clone.folder in source.tree.rows for clone in made.values())
        around = Found([], source.tree, source.layout) if is_known else None
        found = fetch_some(self.session, self.names, list(made), extra=kept, around=around)
        changed = [row for row in found.rows if _has_other_id(row, made[row.ref])]
        for row in changed:
            try:
                self._adopt_changed_id(row)
            except VsphereError as failure:
                made[row.ref].error = failure
        return fetch_some(self.session, self.names, list(made), extra=kept) if changed else found

    def _adopt_changed_id(self, row: Row) -> None:
        """vCenter gives a clone another instanceUuid when the chosen one is taken: the mark has to follow."""
        action = f"mark node {row['name']!r} as managed"
        write_marks(self.session, row.ref, {marks.ID: row["config.instanceUuid"]}, action, timeout_s=UNDO_TIMEOUT_S)


def _has_other_id(row: Row, clone: Clone) -> bool:
    wanted = clone.plan.request.id
    return bool(row.get("config.instanceUuid", wanted) != wanted)


def _refused_keys_error(row: Row, clone: Clone) -> TaskError | None:
    """The error of a clone that vCenter made without the keys that its guest needs; None where they are there."""
    paths = {key: marks.mark_path(key) for key in clone.plan.kept_keys}
    missing = [key for key, path in paths.items() if not row.get(path) and path not in row.unreadable]
    if not missing:
        return None
    return TaskError(
        f"could not {clone.plan.action}: vCenter made the clone without the keys {', '.join(missing)}, so its guest "
        "would not be customized; check whether a policy forbids guestinfo keys, or choose another mechanism with "
        f"{option('customize=')}",
        action=clone.plan.action,
    )


def _rename(clones: list[Clone], replan: Replan | None, make: Callable[[ClonePlan], Clone]) -> list[Clone]:
    """Put new clones at the positions of those that were refused their names: vCenter has made nothing of these."""
    positions = [position for position, clone in enumerate(clones) if isinstance(clone.error, NameInUseError)]
    if not positions or replan is None:
        return []
    try:
        plans = replan(positions)
    except VsphereError as failure:
        for position in positions:
            clones[position].error = failure
        return []
    for position, plan in zip(positions, plans, strict=True):
        clones[position] = make(plan)
    return [clones[position] for position in positions]


def _conclude(clones: Sequence[Clone]) -> None:
    """Take over how each clone's job went."""
    lost = [clone for clone in clones if clone.is_lost]
    for clone in clones:
        if clone not in lost:
            clone.conclude()
    in_parallel(Clone.conclude, lost, threads=THREADS, name="recover")


def _undo(failed: Sequence[tuple[Clone, BaseException]]) -> None:
    """Remove what failed clones have made, several at once; each error notes what may remain."""
    in_parallel(lambda pair: pair[0].undo(pair[1]), failed, threads=THREADS, name="undo")


def _undo_all(clones: Sequence[Clone], failure: BaseException) -> None:
    """Remove all that the clones have made. A second Ctrl-C ends that, and notes what may remain."""
    try:
        _undo([(clone, failure) for clone in clones])
    except BaseException as interrupt:
        for remains in filter(None, (clone.remains for clone in clones)):
            log.error("%s: %s", remains, type(interrupt).__name__)
            interrupt.add_note(f"{remains}: {type(interrupt).__name__}")
        raise
