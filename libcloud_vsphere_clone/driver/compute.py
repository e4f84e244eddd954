"""``VsphereCloneNodeDriver``: the class that Libcloud makes, its constructor, and its verbs by noun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from libcloud.common.base import ConnectionUserAndKey

from ..model import sizes
from ..model.checks import check_keywords
from ..model.layout import FolderNames
from . import connect, convert
from .deploy import DeployVerbs
from .groups import GroupVerbs
from .images import ImageVerbs
from .listing import NodeListing
from .nodes import NodeVerbs
from .places import PlaceVerbs


class VsphereCloneNodeDriver(NodeVerbs, ImageVerbs, PlaceVerbs, GroupVerbs, DeployVerbs):
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
        check_keywords(kwargs, "the constructor", ignored=("retry_delay", "backoff"))
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
