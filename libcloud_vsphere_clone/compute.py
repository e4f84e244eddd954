"""``VsphereCloneNodeDriver``: Libcloud's verbs for vSphere. Each unpacks, calls the room that knows, and converts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Unpack

from libcloud.common.base import ConnectionUserAndKey
from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize

from . import connect, convert, lifecycle
from .convert import VspherePlacement
from .errors import NotFoundError
from .group import GroupVerbs
from .images import ImageVerbs
from .inventory import nodes, sizes
from .inventory.layout import FolderNames
from .listing import NodeListing
from .plan.customization import Windows
from .plan.nics import Nic
from .provision import Provisioner
from .reaching import ReachingVerbs
from .request import CLONE_TIMEOUT_S, CreateOptions, build_request, clone_timeout_s, image_id_of, moid_of, taken_options
from .seeing import SeeingVerbs
from .vcenter.jobs import Progress
from .vcenter.rows import Row


class VsphereCloneNodeDriver(SeeingVerbs, ReachingVerbs, GroupVerbs, ImageVerbs):
    """vSphere as a cloud: templates are images, clones are nodes, folders are groups.

    Making the driver connects: it checks the certificate, the product and the password, in this order.

    :param key: the user name, e.g. ``administrator@vsphere.local``.
    :param secret: the password.
    :param secure: False speaks plain http, and needs ``allow_insecure=True`` as well.
    :param host: the vCenter Server.
    :param port: default 443, or 80 without TLS.
    :param api_version: speak this vSphere API version instead of the newest that both sides know.
    :param region: the same as ``ex_datacenter``, for scripts that choose a region.
    :param ca_cert: a PEM file; only what it signed is trusted. Default: the system's store and Libcloud's bundle.
    :param timeout: seconds to wait for any one answer of vCenter.
    :param ex_thumbprint: the SHA-256 of the server's certificate, checked on every connection before anything is sent.
    :param ex_datacenter: the datacenter; not needed where only one has the images folder.
    :param ex_images_folder: where the images are: a path below the datacenter's VM folder.
    :param ex_nodes_folder: where the group folders are, likewise; default: where the images folder is.
    :param ex_sizes: a list replaces the catalogue of sizes, a mapping ``{id: size}`` adds to it.
    :param ex_allow_unmanaged: allow to stop, reboot and destroy nodes that this driver did not make.
    :raises InvalidRequestError: a parameter is wrong, or the server is no vCenter.
    :raises ConnectionFailedError: not reachable, or not trusted; no credential was sent.
    :raises AuthenticationError: user name or password are wrong.
    """

    name = "VMware vSphere (clone)"
    website = "https://www.vmware.com/products/vsphere.html"
    type = "vsphere_clone"
    api_name = "vsphere_clone"
    connectionCls = ConnectionUserAndKey  # noqa: N815 - Libcloud's name
    features = {"create_node": ["ssh_key", "password", "generates_password"]}  # noqa: RUF012 - Libcloud's shape
    NODE_STATE_MAP = convert.NODE_STATES

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        *,
        ca_cert: str | None = None,
        timeout: float = 60.0,
        allow_insecure: bool = False,
        ex_thumbprint: str | None = None,
        ex_datacenter: str | None = None,
        ex_images_folder: str = "jclouds-images",
        ex_nodes_folder: str | None = None,
        ex_sizes: Iterable[sizes.SizeLike] | Mapping[str, sizes.SizeLike] | None = None,
        ex_allow_unmanaged: bool = False,
        **kwargs: Any,
    ) -> None:
        connect.check_words(kwargs, "the constructor", ignored=("retry_delay", "backoff"))
        self._sizes = sizes.build_sizes(ex_sizes)
        self._names = FolderNames(ex_datacenter or region, ex_images_folder, ex_nodes_folder)
        self._allow_unmanaged = ex_allow_unmanaged
        endpoint = connect.build_endpoint(
            key, secret, secure, host, port, api_version, ca_cert, timeout, allow_insecure, ex_thumbprint
        )
        super().__init__(key, secret, secure, host, port, api_version, region)  # type: ignore[no-untyped-call]
        self._session = connect.open_session(endpoint)
        self.ex_vcenter_id = str(self._session.content.about.instanceUuid)
        self._listing = NodeListing(self._session, self._names)

    def __enter__(self) -> VsphereCloneNodeDriver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<VsphereCloneNodeDriver {self.key} at {self._session.endpoint}, password='***'>"

    def close(self) -> None:
        """Log out. It also happens when the driver is forgotten and when the interpreter exits."""
        self._session.close()

    # Creating

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
        :param ex_username: whom ``auth`` is for; default the image's own user for logins, else root.
        :param ex_hostname: the guest's host name; default the node's name, as far as it can be one.
        :param ex_domain: the domain that the host name is in.
        :param ex_dns: addresses of DNS servers; ``ex_dns_search``: domains to look names up in.
        :param ex_timezone: e.g. ``Europe/Berlin``.
        :param ex_userdata: cloud-config, a script, or any other user data that cloud-init knows; for Ignition its JSON.
        :param ex_first_boot_script: a script that the guest runs once, as root, when it is set up; or a function
            that makes it from the node's name.
        :param ex_windows: what only Windows asks for.
        :param ex_customize: how the guest is told: ``cloud-init``, ``cloudinit-prep``, ``linux-prep``, ``sysprep``,
            ``ignition`` or ``none``; default what the image says, else what suits its guest.
        :param ex_customization_spec: the name of a customization specification in vCenter, on which the rest is put.
        :param ex_annotation: the VM's notes.
        :param ex_power_on: False leaves it off.
        :param ex_timeout_s: seconds for the clone; default an hour.
        :param ex_on_progress: called with vCenter's percentage.
        :raises VsphereError: see ``libcloud_vsphere_clone.errors``.
        """
        options = taken_options(locals())
        request = build_request(self._sizes, name, ex_group, size, location, auth, options)
        timeout_s, image_id = clone_timeout_s(options), image_id_of(image)
        tell = None if ex_on_progress is None else lambda _, percent: ex_on_progress(percent)
        provisioner = Provisioner(self._session, self._names)
        plan, found = provisioner.plan(request, image_id, image_moid=moid_of(image))
        return self._to_node(*provisioner.create(plan, found, timeout_s=timeout_s, on_progress=tell))

    def ex_find_placement(
        self,
        size: NodeSize | None,
        image: NodeImage,
        location: NodeLocation | None = None,
        **options: Unpack[CreateOptions],
    ) -> VspherePlacement:
        """Where ``create_node`` would put a node now, and why not elsewhere. All of it is checked; nothing is made.

        :param options: those of ``create_node``.
        :raises NoPlacementError: nowhere; ``.rejected`` says why.
        """
        request = build_request(self._sizes, "placed", "placed", size, location, None, options)
        provisioner = Provisioner(self._session, self._names)
        plan, found = provisioner.plan(request, image_id_of(image), image_moid=moid_of(image))
        return convert.to_placement(plan.placement, found.tree)

    # Running

    def start_node(self, node: Node, **kwargs: Any) -> bool:
        """Power the node on; True when it is."""
        row, found = self._find(node, "start", kwargs)
        lifecycle.start_vm(self._session, row, found.layout.datacenter, timeout_s=lifecycle.TASK_TIMEOUT_S)
        return True

    def stop_node(
        self, node: Node, *, ex_hard: bool = False, ex_timeout_s: float = lifecycle.GUEST_TIMEOUT_S, **kwargs: Any
    ) -> bool:
        """Shut the node's guest down where VMware Tools run, else switch it off; True when it is off.

        :param ex_hard: switch it off at once.
        :param ex_timeout_s: seconds the guest may take before it is switched off.
        """
        row, _ = self._find(node, "stop", kwargs)
        lifecycle.stop_vm(self._session, row, hard=ex_hard, timeout_s=ex_timeout_s)
        return True

    def reboot_node(self, node: Node, **kwargs: Any) -> bool:
        """Reboot the node's guest where VMware Tools run, else reset it; True when that has begun."""
        row, _ = self._find(node, "reboot", kwargs)
        lifecycle.reboot_vm(self._session, row, timeout_s=lifecycle.TASK_TIMEOUT_S)
        return True

    def destroy_node(self, node: Node, **kwargs: Any) -> bool:
        """Power the node off and delete it with the disks that its clone brought; True also when it is gone already.

        Disks attached later are detached and kept.

        :raises InvalidRequestError: it is no node, or not this driver's; nothing was sent.
        """
        try:
            row, _ = self._find(node, "destroy", kwargs, lifecycle.DISK_PATHS)
        except NotFoundError as gone:
            if gone.kind != "node":
                raise  # it is its surroundings that cannot be seen
            return True
        lifecycle.destroy_node_vm(self._session, row, timeout_s=lifecycle.TASK_TIMEOUT_S)
        return True

    # Shared steps

    def _find(
        self, node: Node, action: str, words: Mapping[str, Any], extra: tuple[str, ...] = ()
    ) -> tuple[Row, nodes.Found]:
        connect.check_words(words, f"{action}_node")
        row, found = nodes.find_node(self._session, self._names, str(node.id), moid=moid_of(node), extra=extra)
        nodes.check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action=action)
        return row, found
