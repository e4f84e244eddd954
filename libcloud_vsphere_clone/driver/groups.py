"""Groups of nodes: many of one at once, with partial results. Libcloud has no verbs for them, so these are ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never, Unpack

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize
from libcloud.compute.deployment import Deployment, ScriptDeployment

from ..deploy.many_nodes import NodeListener, ScriptResult, check_login, copy_deployment, deploy_all, run_on_all
from ..deploy.nodes import NodeRows
from ..deploy.one_node import DeployOptions
from ..errors import GroupError, InvalidRequestError
from ..inventory.groups import fetch_group, fetch_groups
from ..model.checks import check_count
from ..model.images import CloneSource
from ..model.marks import is_managed
from ..model.names import draw_names, unescape_name
from ..model.nics import Nic
from ..model.vm import check_writable
from ..model.windows import Windows
from ..operations.clone import CloneProgress
from ..operations.folders import remove_group_folder
from ..operations.power import DISK_PATHS, TASK_TIMEOUT_S, destroy_all
from ..operations.provision import CloneResults, Provisioner
from ..option_names import option
from ..plan.clone import ClonePlan, build_clone_plans
from ..sessions.reach import REACH_PATHS
from ..vcenter.rows import Ref
from . import convert
from .base import BaseVerbs
from .convert import VsphereGroup
from .options import CLONE_TIMEOUT_S, NodeOptions, build_members, build_requests, id_of, refuse_unknown
from .session_options import ReachKeywords, build_reach_options, create_keywords, image_facts, split_deploy_keywords

IN_FLIGHT = 8
"""Clones, or destroys, under way at once. vCenter runs 8 provisioning operations per host and 128 per datastore at a
time and queues the rest: more would gain little on a small cluster and crowd out everybody else's
(VMware vSphere documentation, "Limits on Simultaneous Migrations")."""


class GroupVerbs(BaseVerbs):
    """The driver's verbs for groups."""

    def ex_list_groups(self) -> list[VsphereGroup]:
        """The groups, with their nodes counted."""
        return [convert.to_group(group) for group in fetch_groups(self._session, self._names)]

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
        ex_each: Sequence[Mapping[str, Any]] | None = None,
        ex_max_in_flight: int = IN_FLIGHT,
        ex_on_progress: CloneProgress | None = None,
        ex_datastore: str | None = None,
        ex_resource_pool: str | None = None,
        ex_networks: Sequence[str | Nic] | None = None,
        ex_cpus: int | None = None,
        ex_memory_mib: int | None = None,
        ex_disk_gib: int | None = None,
        ex_metadata: Mapping[str, Any] | None = None,
        ex_username: str | None = None,
        ex_hostname: str | None = None,
        ex_domain: str | None = None,
        ex_dns: Sequence[str] = (),
        ex_dns_search: Sequence[str] = (),
        ex_timezone: str | None = None,
        ex_userdata: str | bytes | None = None,
        ex_first_boot_script: str | Callable[[str], str] | None = None,
        ex_windows: Windows | None = None,
        ex_customize: str | None = None,
        ex_customization_spec: str | None = None,
        ex_annotation: str | None = None,
        ex_power_on: bool = True,
        ex_timeout_s: float = CLONE_TIMEOUT_S,
        **unknown: Never,
    ) -> list[Node]:
        """New nodes of one group, all clones under way together; it returns when the slowest is made.

        The other options are ``create_node``'s.

        :param location: one, or several that are filled in this order; inside a cluster vSphere decides.
        :param ex_names: the nodes' names; default ``<group>-<hex>``, drawn again where one is taken.
        :param ex_each: what each node has of its own, in the order of the names: its ``ex_hostname``, ``ex_networks``,
            ``ex_userdata`` or ``ex_metadata``, which hold over those for all.
        :param ex_max_in_flight: clones under way at once.
        :param ex_on_progress: called with a node's name and vCenter's percentage.
        :raises GroupError: some failed; ``.nodes`` are there, ``.errors`` say why the others are not, and nothing is
            left of those.
        """
        refuse_unknown(unknown)
        options = NodeOptions(
            group=group, datastore=ex_datastore, resource_pool=ex_resource_pool, networks=ex_networks,
            cpus=ex_cpus, memory_mib=ex_memory_mib, disk_gib=ex_disk_gib, metadata=ex_metadata, username=ex_username,
            hostname=ex_hostname, domain=ex_domain, dns=ex_dns, dns_search=ex_dns_search, timezone=ex_timezone,
            userdata=ex_userdata, first_boot_script=ex_first_boot_script, windows=ex_windows,
            customize=ex_customize, customization_spec=ex_customization_spec, annotation=ex_annotation,
            power_on=ex_power_on, timeout_s=ex_timeout_s,
        )  # fmt: skip
        _check_count(count, ex_names, ex_max_in_flight)
        members = build_members(options, ex_each, count)
        results = self._clone_members(
            members, ex_names, size, image, _location_ids(location), auth, ex_max_in_flight, ex_on_progress
        )
        nodes = [self._to_node(row, results.found) for row in results.found.rows]
        _raise_partial(f"created in group {group!r}", count, nodes, results.errors)
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
        **keywords: Any,
    ) -> list[Node]:
        """Create nodes of one group and run ``deploy`` in each, all in parallel.

        Each node runs a copy of ``deploy``, as soon as it can be reached; what a script printed is in its node's
        ``extra["deployment"]``.

        :param keywords: those of ``deploy_node`` that say how to get in, and those of ``ex_create_nodes_in_group``.
        :raises GroupError: some could not be created, or their deployment failed. The error of the latter is a
            DeploymentError, whose ``.node`` is there, unless ``ex_destroy_on_failure``.
        """
        options, others = split_deploy_keywords(auth=auth, **keywords)
        deployer = self._deployer(copy_deployment(deploy), options, image_facts(image))
        errors: dict[str, Exception] = {}
        try:
            nodes = self.ex_create_nodes_in_group(
                group, count, size, image, location, **create_keywords(deployer, others)
            )
        except GroupError as partial:
            nodes, errors = partial.nodes, partial.errors
        done, failed = deploy_all(deployer, nodes)
        _raise_partial(f"deployed in group {group!r}", count, done, {**errors, **failed})
        return done

    def ex_run_script_on_group(
        self, group: str, script: str, *, ex_on_output: NodeListener | None = None, **keywords: Unpack[ReachKeywords]
    ) -> list[ScriptResult]:
        """Run a script on each node of a group, on all in parallel, and never twice; how it went on each.

        :param script: a shell script; ``#!`` chooses another interpreter.
        :param ex_on_output: called with a node, what its script wrote just now, in bytes, and whether that was to
            stderr; from several threads.
        :param keywords: how to get in, as ``deploy_node`` calls it: ``ssh_username``, ``ssh_key``, ``auth`` with a
            NodeAuthPassword, ``timeout``, ``ex_transport`` and so on.
        :raises NotFoundError: there is no such group.
        """
        reach = build_reach_options("ex_run_script_on_group", **keywords)
        check_login(reach)
        deployer = self._deployer(ScriptDeployment(script, delete=True), DeployOptions(reach, max_tries=1))
        _, found = fetch_group(self._session, self._names, group, REACH_PATHS)
        nodes: dict[Ref, Node] = {}
        refused: list[ScriptResult] = []
        for row in found.rows:
            node = self._to_node(row, found)
            try:
                check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action="run a script on")
                nodes[row.ref] = node
            except InvalidRequestError as reason:
                refused.append(ScriptResult(node, error=reason))
        known = NodeRows(nodes, found.rows, lambda row: self._to_node(row, found))
        return [*refused, *run_on_all(deployer, known, ex_on_output)]

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
        folder, found = fetch_group(self._session, self._names, group, DISK_PATHS)
        rows = [row for row in found.rows if is_managed(row)]
        errors = destroy_all(self._session, rows, timeout_s=TASK_TIMEOUT_S, max_in_flight=ex_max_in_flight)
        remaining = [row for row in rows if row.ref in errors]
        failures = {unescape_name(row["name"]): errors[row.ref] for row in remaining}
        left = [self._to_node(row, found) for row in remaining]
        _raise_partial(f"destroyed in group {group!r}", len(rows), left, failures)
        if ex_remove_folder:
            remove_group_folder(self._session, folder, group, timeout_s=TASK_TIMEOUT_S)
        return True

    def _clone_members(
        self,
        members: Sequence[NodeOptions],
        names: Sequence[str] | None,
        size: NodeSize | None,
        image: NodeImage,
        places: Sequence[str],
        auth: Any,
        max_in_flight: int,
        on_progress: CloneProgress | None,
    ) -> CloneResults:
        """Clone the image to the members of a group, and draw names again that are taken, unless they are given."""
        group = members[0].group

        def plan(positions: Sequence[int]) -> tuple[list[ClonePlan], CloneSource]:
            own = [members[position] for position in positions]
            named = names or draw_names(group, len(own))
            requests = build_requests(named, own, self._sizes, size, None, auth)
            source = self._fetch_source(image, own[0])
            return build_clone_plans(requests, source, places), source

        plans, source = plan(range(len(members)))
        return Provisioner(self._session, self._names).create_all(
            plans,
            source,
            max_in_flight=max_in_flight,
            on_progress=on_progress,
            replan=None if names else lambda positions: plan(positions)[0],
        )


def _check_count(count: int, names: Sequence[str] | None, max_in_flight: int) -> None:
    check_count("count", count)
    check_count(option("max_in_flight"), max_in_flight)
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
