"""``ImageVerbs``: images seen, and what an image tells about its guests, written on the image itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from libcloud.compute.base import NodeImage, NodeLocation

from .. import inventory, operations, plan, sessions, vcenter
from ..errors import InvalidRequestError, translated
from ..model import marks
from ..model.login import Login
from ..model.names import unescape_name
from ..model.option_checks import check_mechanism
from ..model.places import PLACE_PATHS
from ..model.vm import Found
from ..vcenter.rows import Row
from . import convert
from .base import BaseVerbs
from .options import image_id_of, moid_of

CONFIGURE_TIMEOUT_S = 120.0


class ImageVerbs(BaseVerbs):
    """The driver's verbs for images."""

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """The images: templates and VMs in the images folder and below. Every location can use every image."""
        found = inventory.images.fetch_images(self._session, self._names)
        return [convert.to_image(row, found, self) for row in found.rows]

    def get_image(self, image_id: str) -> NodeImage:
        """The image with this id.

        :raises NotFoundError: there is none.
        """
        row, found = inventory.images.find_image(self._session, self._names, image_id)
        return convert.to_image(row, found, self)

    def ex_get_image_by_name(self, name: str) -> NodeImage:
        """The one image of this name or path below the images folder."""
        row, found = inventory.images.find_image_by_name(self._session, self._names, name)
        return convert.to_image(row, found, self)

    def ex_configure_image(
        self,
        image: NodeImage,
        *,
        customize: str | None = None,
        username: str | None = None,
        transport: str | None = None,
        resource_pool: str | None = None,
    ) -> NodeImage:
        """The image, which now tells how its guests are customized, the user that logs in, and how to get into them.

        It is written into the image's extraConfig. Of a template vCenter lets only the name and the notes be changed:
        it becomes a VM for that moment, and no clone of it can begin then. Each word left out stays as it is; ``""``
        clears it.

        :param customize: ``cloud-init``, ``cloudinit-prep``, ``linux-prep``, ``sysprep``, ``ignition`` or ``none``.
        :param username: whom ``auth`` is for where ``create_node`` is not told ``ex_username``.
        :param transport: ``ssh``, ``tools``, ``winrm``, ``keyboard`` or ``pull``.
        :param resource_pool: where a template may be a VM: a name, path or id; default its cluster's root pool.
        :raises InvalidRequestError: a word cannot be right, or there is none; nothing was sent.
        :raises NotFoundError: there is no such image.
        """
        values = _build_marks(customize, username, transport)
        image_id = image_id_of(image)
        row, found = inventory.images.find_image(
            self._session, self._names, image_id, moid=moid_of(image), tree_paths=PLACE_PATHS
        )
        action = f"configure image {unescape_name(row['name'])!r}"
        with _as_vm(self._session, row, found, resource_pool, action):
            operations.extra_config.write_marks(self._session, row.ref, values, action, timeout_s=CONFIGURE_TIMEOUT_S)
        return convert.to_image(
            *inventory.images.find_image(self._session, self._names, image_id, moid=row.ref.moid), self
        )


@contextmanager
def _as_vm(session: vcenter.session.Session, row: Row, found: Found, pool: str | None, action: str) -> Iterator[None]:
    """The image is a VM, and no template, for the block.

    Source: VirtualMachine.MarkAsVirtualMachine, MarkAsTemplate (vSphere Web Services API).
    """
    vm = session.managed(*row.ref)
    if not row.get("config.template"):
        yield
        return
    cluster = plan.placement.choose_cluster(found.tree, found.layout.datacenter, row, None)
    place = vcenter.types.to_managed(plan.placement.choose_pool(found.tree, cluster, pool))
    with translated(action):
        vm.MarkAsVirtualMachine(place, vcenter.types.to_managed(row.get("runtime.host")))
    try:
        yield
    except BaseException as failure:
        try:
            vm.MarkAsTemplate()
        except Exception as second:
            failure.add_note(f"the image is no template any more: {second}; mark it as one in vCenter")
        raise
    with translated(f"{action}, which is no template any more: mark it as one in vCenter"):
        vm.MarkAsTemplate()


def _build_marks(customize: str | None, username: str | None, transport: str | None) -> dict[str, str]:
    """The marks that are given."""
    given = {marks.GUEST: customize, marks.LOGIN: username, marks.TRANSPORT: transport}
    values = {key: value for key, value in given.items() if value is not None}
    if not values:
        raise InvalidRequestError("ex_configure_image: say what to write, customize=, username= or transport=")
    check_mechanism(customize or None, "customize")
    if username:
        Login(username)
    if transport and transport not in sessions.transports.TRANSPORTS:
        raise InvalidRequestError(
            f"transport must be one of {', '.join(sessions.transports.TRANSPORTS)}, got {transport!r}"
        )
    return values
