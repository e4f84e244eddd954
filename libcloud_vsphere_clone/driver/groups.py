"""Groups of nodes: many of one at once, with partial results. Libcloud has no verbs for them, so these are ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize
from libcloud.compute.deployment import Deployment, ScriptDeployment

from .. import deploy as deployment
from .. import inventory, operations, plan, sessions
from ..errors import GroupError, InvalidRequestError
from ..model.marks import is_managed
from ..model.names import draw_names, unescape_name
from ..model.vm import Found, check_writable
from . import convert
from .base import BaseVerbs
from .convert import VsphereGroup
from .options import (
    CreateOptions,
    OwnOptions,
    another,
    build_request,
    check_each,
    clone_timeout_s,
    id_of,
    image_id_of,
    moid_of,
)

IN_FLIGHT = 8
"""Clones, or destroys, under way at once. vCenter runs 8 provisioning operations per host and 128 per datastore at a
time and queues the rest: more would gain little on a small cluster and crowd out everybody else's
(VMware vSphere documentation, "Limits on Simultaneous Migrations")."""


class GroupVerbs(BaseVerbs):
    """The driver's verbs for groups."""

    def ex_list_groups(self) -> list[VsphereGroup]:
        """The groups, with their nodes counted."""
        return [convert.to_group(group) for group in inventory.groups.fetch_groups(self._session, self._names)]

    def ex_create_nodes_in_group(
        self,
        group: str,
        count: int,
        size: NodeSize | None,
        image: NodeImage,
        location: NodeLocation | Sequence[NodeLocation] | None = None,
        auth: Any = None,
        *,
        ex_names: Sequence[str] | None = None,
        ex_each: Sequence[OwnOptions] | None = None,
        ex_max_in_flight: int = IN_FLIGHT,
        ex_on_progress: operations.clone.CloneProgress | None = None,
        **options: Unpack[CreateOptions],
    ) -> list[Node]:
        """New nodes of one group, all clones under way together; it returns when the slowest is made.

        :param location: one, or several that are filled in this order; inside a cluster vSphere decides.
        :param ex_names: the nodes' names; default ``<group>-<hex>``, drawn again where one is taken.
        :param ex_each: what each node has of its own, in the order of the names: its ``ex_hostname``, ``ex_networks``,
            ``ex_userdata`` or ``ex_metadata``, which hold over those in ``options``.
        :param ex_max_in_flight: clones under way at once.
        :param ex_on_progress: called with a node's name and vCenter's percentage.
        :param options: the ``ex_`` options of ``create_node``.
        :raises GroupError: some failed; ``.nodes`` are there, ``.errors`` say why the others are not, and nothing is
            left of those.
        """
        timeout_s, image_id = clone_timeout_s(options), image_id_of(image)
        _check_count(count, ex_names, ex_max_in_flight)
        each = check_each(ex_each, count)
        common: CreateOptions = {**options, "ex_first_boot_script": None}  # which is perhaps made for each
        provisioner = operations.provision.Provisioner(self._session, self._names)
        first = provisioner.complete(build_request(self._sizes, group, group, size, None, auth, common))
        places = _location_ids(location)

        def plan_nodes(numbers: Sequence[int]) -> tuple[list[plan.clone.ClonePlan], Found]:
            # Drawn names are others each time.
            named = zip(ex_names or draw_names(group, len(numbers)), numbers, strict=True)
            requests = [another(first, name, options, each[number]) for name, number in named]
            return provisioner.plan_all(requests, image_id, places, image_moid=moid_of(image))

        plans, found = plan_nodes(range(count))
        outcome = provisioner.create_all(
            plans,
            found,
            timeout_s=timeout_s,
            max_in_flight=ex_max_in_flight,
            on_progress=ex_on_progress,
            redraw=None if ex_names else lambda taken: plan_nodes(taken)[0],
        )
        nodes = [self._to_node(row, outcome.found) for row in outcome.found.rows]
        _raise_partial(f"created in group {group!r}", count, nodes, outcome.errors)
        return nodes

    def ex_deploy_nodes_in_group(
        self,
        group: str,
        count: int,
        size: NodeSize | None,
        image: NodeImage,
        location: NodeLocation | Sequence[NodeLocation] | None = None,
        auth: Any = None,
        *,
        deploy: Deployment,
        **words: Any,
    ) -> list[Node]:
        """New nodes of one group with ``deploy`` run in each, all in parallel.

        Each node runs a copy of ``deploy``, as soon as it can be reached; what a script printed is in its node's
        ``extra["deployment"]``.

        :param words: ``deploy_node``'s words for how to get in (``DeployOptions``), and those of
            ``ex_create_nodes_in_group``.
        :raises GroupError: some could not be created, or their deployment failed. The error of the latter is a
            DeploymentError, whose ``.node`` is there, unless ``ex_destroy_on_failure``.
        """
        known = deployment.one_node.DeployOptions.__annotations__
        how: Any = {word: words.pop(word) for word in known if word in words}
        deployer = deployment.one_node.build_deployer(
            self, deployment.many_nodes.copy_deployment(deploy), image, **{"auth": auth, **how}
        )
        errors: dict[str, Exception] = {}
        try:
            nodes = self.ex_create_nodes_in_group(
                group, count, size, image, location, **deployer.words_for_create(words)
            )
        except GroupError as partial:
            nodes, errors = partial.nodes, partial.errors
        done, failed = deployment.many_nodes.deploy_all(deployer, nodes)
        _raise_partial(f"deployed in group {group!r}", count, done, {**errors, **failed})
        return done

    def ex_run_script_on_group(
        self,
        group: str,
        script: str,
        *,
        ex_on_output: deployment.many_nodes.Hear | None = None,
        **words: Unpack[deployment.one_node.ReachOptions],
    ) -> list[deployment.many_nodes.ScriptResult]:
        """How a script went on each node of a group, run on all in parallel; it is never run twice.

        :param script: a shell script; ``#!`` chooses another interpreter.
        :param ex_on_output: called with a node, what its script wrote just now, in bytes, and whether that was to
            stderr; from several threads.
        :param words: how to get in, as ``deploy_node`` calls it: ``ssh_username``, ``ssh_key``, ``auth`` with a
            NodeAuthPassword, ``timeout``, ``ex_transport`` and so on.
        :raises NotFoundError: there is no such group.
        """
        if (
            not words.get("ssh_key")
            and words.get("auth") is None
            and not isinstance(words.get("ex_transport"), sessions.transports.WinRM)
        ):
            raise InvalidRequestError("running a script needs a way to log in: ssh_key=, or auth=NodeAuthPassword(...)")
        step = ScriptDeployment(script, delete=True)
        deployer = deployment.one_node.build_deployer(self, step, max_tries=1, **words)
        _, found = inventory.groups.fetch_group(self._session, self._names, group, sessions.transports.REACH_PATHS)
        writable: list[Node] = []
        results: list[deployment.many_nodes.ScriptResult] = []
        for row in found.rows:
            node = self._to_node(row, found)
            try:
                check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action="run a script on")
                writable.append(node)
            except InvalidRequestError as refused:
                results.append(deployment.many_nodes.ScriptResult(node, error=refused))
        return [*results, *deployment.many_nodes.run_on_all(deployer, writable, found, ex_on_output)]

    def ex_destroy_group(
        self,
        group: str,
        *,
        ex_remove_folder: bool = False,
        ex_max_in_flight: int = IN_FLIGHT,
    ) -> bool:
        """Destroy the nodes of a group that this driver made, many at once; True when they are gone.

        Whatever else is in the folder stays, and so does the folder.

        :param ex_remove_folder: remove the folder as well, where a fresh read shows that it is empty.
        :raises GroupError: some remain; ``.nodes``, ``.errors``.
        :raises NotFoundError: there is no such group.
        """
        _check_count(1, None, ex_max_in_flight)
        folder, found = inventory.groups.fetch_group(self._session, self._names, group, operations.power.DISK_PATHS)
        rows = [row for row in found.rows if is_managed(row)]
        errors = operations.power.destroy_all(
            self._session, rows, timeout_s=operations.power.TASK_TIMEOUT_S, max_in_flight=ex_max_in_flight
        )
        remaining = [row for row in rows if row.ref in errors]
        failures = {unescape_name(row["name"]): errors[row.ref] for row in remaining}
        left = [self._to_node(row, found) for row in remaining]
        _raise_partial(f"destroyed in group {group!r}", len(rows), left, failures)
        if ex_remove_folder:
            operations.folders.remove_group_folder(
                self._session, folder, group, timeout_s=operations.power.TASK_TIMEOUT_S
            )
        return True


def _check_count(count: int, names: Sequence[str] | None, max_in_flight: int) -> None:
    for word, number in (("count", count), ("ex_max_in_flight", max_in_flight)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise InvalidRequestError(f"{word} must be a positive whole number, got {number!r}")
    if names is None:
        return
    is_list = (
        isinstance(names, Sequence) and not isinstance(names, str) and all(isinstance(name, str) for name in names)
    )
    if not is_list or len(names) != count or len(set(names)) != count:
        raise InvalidRequestError(f"ex_names must be {count} different names, got {names!r}")


def _location_ids(location: NodeLocation | Sequence[NodeLocation] | None) -> list[str]:
    locations: Sequence[Any] = location if isinstance(location, list | tuple) else [location]
    return [place for one in locations if (place := id_of(one, NodeLocation)) is not None]


def _raise_partial(done: str, count: int, nodes: Sequence[Node], errors: Mapping[str, Exception]) -> None:
    """:raises GroupError: there are errors."""
    if errors:
        raise GroupError(f"{len(errors)} of {count} nodes could not be {done}", nodes, errors)
