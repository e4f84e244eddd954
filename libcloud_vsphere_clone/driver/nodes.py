"""``NodeVerbs``: nodes made, seen, started, stopped, rebooted and destroyed."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize

from ..errors import InvalidRequestError, NotFoundError
from ..inventory.nodes import find_node
from ..model.checks import check_keywords, check_seconds
from ..model.defaults import GUEST_TIMEOUT_S
from ..model.nics import Nic
from ..model.windows import Windows
from ..operations import power
from ..operations.provision import Provisioner
from ..plan.clone import build_clone_plan
from ..vcenter.jobs import Progress
from .base import BaseVerbs
from .listing import NodeFilter, build_filter
from .options import CLONE_TIMEOUT_S, NodeOptions, build_requests


class NodeVerbs(BaseVerbs):
    """The driver's verbs for single nodes, and for all of them."""

    def create_node(
        self,
        name: str,
        size: NodeSize | None,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: Any = None,
        *,
        ex_group: str = "libcloud",
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
        ex_on_progress: Progress | None = None,
    ) -> Node:
        """A new node, cloned from ``image``; it returns when the clone is made and powered on, before it has booted.

        Everything is checked before anything is sent, and a failure leaves nothing behind.

        :param size: None keeps the image's hardware.
        :param location: None means the image's own cluster.
        :param auth: what ``ex_username`` may log in with.
        :param ex_group: the folder, made if needed.
        :param ex_datastore: by name, path or id; default the image's own, else the one with most room.
        :param ex_resource_pool: likewise; default the cluster's root pool.
        :param ex_networks: one per adapter: names, paths or ids, or ``Nic(...)``; None keeps the image's.
        :param ex_cpus: instead of the size's; likewise ``ex_memory_mib``.
        :param ex_disk_gib: the root disk; it can only grow.
        :param ex_metadata: JSON that ``extra["metadata"]`` gives back.
        :param ex_username: the user that ``auth`` is for; default the image's own user for logins, else root.
        :param ex_hostname: the guest's host name; default the node's name, as far as it can be one.
        :param ex_domain: the domain that the host name is in.
        :param ex_dns: addresses of DNS servers; ``ex_dns_search``: domains to look names up in.
        :param ex_timezone: e.g. ``Europe/Berlin``.
        :param ex_userdata: cloud-config, a script, or any other user data that cloud-init knows; for Ignition its JSON.
        :param ex_first_boot_script: a script that the guest runs once, as root, when it is set up; or a function
            that makes it from the node's name.
        :param ex_windows: settings that only Windows has.
        :param ex_customize: how the guest is set up: ``cloud-init``, ``cloudinit-prep``, ``linux-prep``, ``sysprep``,
            ``ignition`` or ``none``; default the image's mark, else what suits its guest.
        :param ex_customization_spec: the name of a customization specification in vCenter, on which the rest is put.
        :param ex_annotation: the VM's notes.
        :param ex_power_on: False leaves it off.
        :param ex_timeout_s: seconds for the clone; default an hour.
        :param ex_on_progress: called with vCenter's percentage.
        :raises VsphereError: see ``libcloud_vsphere_clone.errors``.
        """
        options = NodeOptions(
            group=ex_group, datastore=ex_datastore, resource_pool=ex_resource_pool, networks=ex_networks,
            cpus=ex_cpus, memory_mib=ex_memory_mib, disk_gib=ex_disk_gib, metadata=ex_metadata, username=ex_username,
            hostname=ex_hostname, domain=ex_domain, dns=ex_dns, dns_search=ex_dns_search, timezone=ex_timezone,
            userdata=ex_userdata, first_boot_script=ex_first_boot_script, windows=ex_windows,
            customize=ex_customize, customization_spec=ex_customization_spec, annotation=ex_annotation,
            power_on=ex_power_on, timeout_s=ex_timeout_s,
        )  # fmt: skip
        [request] = build_requests([name], [options], self._sizes, size, location, auth)
        source = self._fetch_source(image, options)
        plan = build_clone_plan(request, source)
        on_progress = None if ex_on_progress is None else lambda _, percent: ex_on_progress(percent)
        provisioner = Provisioner(self._session, self._names)
        return self._to_node(*provisioner.create(plan, source, on_progress=on_progress))

    def list_nodes(
        self,
        *,
        ex_group: str | None = None,
        ex_filter: NodeFilter | None = None,
        ex_cached: bool = True,
        ex_full: bool = False,
        **kwargs: Any,
    ) -> list[Node]:
        """The nodes: VMs below the nodes folder that are no images, templates or system VMs.

        The first call of a driver reads the inventory in one call. The second keeps it and subscribes to its changes,
        in three calls; each later one is a single call that carries only what has changed since, by whomever. Nothing
        runs between two calls.

        :param ex_group: only those in this group.
        :param ex_filter: only those whose name fits a pattern such as ``web-*``, or with this metadata, a mapping.
        :param ex_cached: False reads all afresh, in one call, and keeps nothing.
        :param ex_full: tell also ``description``, ``guest_os`` and ``disks_gib`` in ``extra``; this reads all afresh.
        """
        check_keywords(kwargs, "list_nodes")
        wanted = build_filter(ex_group, ex_filter)
        return self._listing.read(self._converter(full=ex_full), wanted, cached=ex_cached, full=ex_full)

    def ex_iterate_nodes(
        self, *, ex_group: str | None = None, ex_filter: NodeFilter | None = None
    ) -> Generator[Node, None, None]:
        """The same nodes one by one, the first before the last have arrived. Close the iterator to end it early."""
        return self._listing.iterate(self._converter(), build_filter(ex_group, ex_filter))

    def ex_watch_nodes(
        self,
        *,
        timeout_s: float | None = None,
        ex_group: str | None = None,
        ex_filter: NodeFilter | None = None,
        ex_present: bool = False,
    ) -> Generator[tuple[str, Node], None, None]:
        """``("added" | "changed" | "removed", node)`` as it happens, from the first ``next()`` on.

        vCenter tells; nothing is polled. Close the iterator to end it early. Of a removed node it is what was last
        known. A node that comes to fit ``ex_group`` and ``ex_filter`` is added, one that no longer does is removed.

        :param timeout_s: seconds after which the iterator just ends; default never.
        :param ex_present: begin with the nodes that are there, as ``added``.
        """
        longest_s = math.inf if timeout_s is None else check_seconds(timeout_s, "timeout_s")
        wanted = build_filter(ex_group, ex_filter)
        return self._listing.watch(self._converter(), wanted, timeout_s=longest_s, present=ex_present)

    def ex_get_node(self, node_id: str | None = None, *, name: str | None = None, ex_group: str | None = None) -> Node:
        """The one node with this id, or of this name (in this group, if given).

        :raises NotFoundError: there is none.
        :raises AmbiguousNameError: several have the name.
        """
        if (node_id is None) == (name is None):
            raise InvalidRequestError("ex_get_node takes either an id or name=")
        if node_id is not None:
            return self._to_node(*find_node(self._session, self._names, node_id))
        return self._to_node(*self._listing.find_by_name(str(name), ex_group))

    def start_node(self, node: Node, **kwargs: Any) -> bool:
        """Power the node on; True when it is."""
        row, found = self._find(node, "start", kwargs)
        power.start_vm(self._session, row, found.layout.datacenter, timeout_s=power.TASK_TIMEOUT_S)
        return True

    def stop_node(
        self, node: Node, *, ex_hard: bool = False, ex_timeout_s: float = GUEST_TIMEOUT_S, **kwargs: Any
    ) -> bool:
        """Shut the node's guest down where VMware Tools run, else switch it off; True when it is off.

        :param ex_hard: switch it off at once.
        :param ex_timeout_s: seconds the guest may take before it is switched off.
        """
        row, _ = self._find(node, "stop", kwargs)
        power.stop_vm(self._session, row, hard=ex_hard, timeout_s=ex_timeout_s)
        return True

    def reboot_node(self, node: Node, **kwargs: Any) -> bool:
        """Reboot the node's guest where VMware Tools run, else reset it; True when that has begun."""
        row, _ = self._find(node, "reboot", kwargs)
        power.reboot_vm(self._session, row, timeout_s=power.TASK_TIMEOUT_S)
        return True

    def destroy_node(self, node: Node, **kwargs: Any) -> bool:
        """Power the node off and delete it with the disks that its clone brought; True also when it is gone already.

        Disks attached later are detached and kept.

        :raises InvalidRequestError: it is no node, or not this driver's; nothing was sent.
        """
        try:
            row, _ = self._find(node, "destroy", kwargs, power.DISK_PATHS)
        except NotFoundError as gone:
            if gone.kind != "node":
                raise  # it is its surroundings that cannot be seen
            return True
        power.destroy_node_vm(self._session, row, timeout_s=power.TASK_TIMEOUT_S)
        return True
