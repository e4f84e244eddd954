"""Images found: templates and master VMs in the images folder and below it."""

from __future__ import annotations

from ..errors import AmbiguousNameError, InvalidRequestError, NotFoundError
from ..model import marks
from ..model.images import CloneSource
from ..model.layout import FolderNames, find_layout, images_folder
from ..model.names import unescape_name
from ..model.places import PLACE_PATHS
from ..model.vm import Found
from ..option_names import option
from ..vcenter.customization_specs import fetch_customization_spec
from ..vcenter.properties import fetch_rows
from ..vcenter.rows import Row
from ..vcenter.session import Session
from .locations import fetch_tree
from .lookup import find_vm_by_uuid

IMAGE_PATHS = (
    "name",
    "parent",
    "datastore",
    "config.template",
    "config.instanceUuid",
    "config.createDate",
    "config.annotation",
    "config.guestId",
    "config.guestFullName",
    "config.version",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    *(marks.mark_path(key) for key in (marks.GUEST, marks.LOGIN, marks.TRANSPORT)),
    "guest.toolsVersionStatus2",
    "runtime.powerState",
    "runtime.host",
)
"""What an image shows. There are few images, so their devices may be read whole."""

CLONE_PATHS = (
    *("config.extraConfig", "config.vAppConfig"),
    *("config.hardware.numCoresPerSocket", "summary.storage.committed"),
)
"""What the plan of a clone asks of its image beyond what an image shows."""


def fetch_images(session: Session, names: FolderNames) -> Found:
    """Every image, in two round trips: where the folder is, then what is in it.

    :raises NotFoundError: there is no images folder.
    """
    tree = fetch_tree(session)
    layout = find_layout(tree, names)
    folder = images_folder(layout, names)
    rows = fetch_rows(session, {"VirtualMachine": IMAGE_PATHS}, below=folder).values()
    return Found([row for row in rows if "config.instanceUuid" in row], tree, layout)


def find_image(
    session: Session,
    names: FolderNames,
    image_id: str,
    *,
    moid: str | None = None,
    extra: tuple[str, ...] = (),
    tree_paths: dict[str, tuple[str, ...]] | None = None,
) -> tuple[Row, Found]:
    """The row of the image with this id, read afresh with ``IMAGE_PATHS`` and ``extra``.

    :raises NotFoundError: no VM has this id, or this user cannot see it.
    :raises InvalidRequestError: the VM is not in the images folder, or vCenter has no configuration of it.
    """
    paths = (*IMAGE_PATHS, *extra)
    row, tree = find_vm_by_uuid(session, "image", image_id, paths, moid=moid, tree_paths=tree_paths)
    layout = find_layout(tree, names)
    if not tree.is_below(row, images_folder(layout, names)):
        raise InvalidRequestError(
            f"VM {tree.path(row)!r} is no image: it is not in the folder {names.images!r}; move it there, or name its "
            f"folder with {option('images_folder=')}"
        )
    if "config.instanceUuid" not in row:
        raise InvalidRequestError(f"vCenter has no configuration of image {tree.path(row)!r}; repair it in vCenter")
    return row, Found([row], tree, layout)


def fetch_clone_source(
    session: Session, names: FolderNames, image_id: str, *, moid: str | None = None, spec_name: str | None = None
) -> CloneSource:
    """The image that is to be cloned, and the places around it. One round trip, or two.

    :param spec_name: a customization specification stored in vCenter, which is read too.
    :raises NotFoundError, InvalidRequestError: as ``find_image``; or there is no specification of this name.
    """
    stored_spec = fetch_customization_spec(session, spec_name) if spec_name is not None else None
    row, found = find_image(session, names, image_id, moid=moid, extra=CLONE_PATHS, tree_paths=PLACE_PATHS)
    return CloneSource(row, found.tree, found.layout, stored_spec, session.stub.version)


def find_image_by_name(session: Session, names: FolderNames, name: str) -> tuple[Row, Found]:
    """The one image of this name, or of this path below the images folder: ``archive/debian-11``, ``/debian-12``.

    :raises NotFoundError: there is none.
    :raises AmbiguousNameError: there are several, in different folders.
    """
    found = fetch_images(session, names)
    folder = found.layout.images_folder
    paths = {row.ref: found.tree.path(row, folder) for row in found.rows}
    rows = [row for row in found.rows if name in (unescape_name(row["name"]), paths[row.ref], f"/{paths[row.ref]}")]
    match rows:
        case [row]:
            return row, found
        case []:
            known = ", ".join(sorted(paths.values())) or "the folder is empty"
            raise NotFoundError("image", name, f"there are: {known}")
        case many:
            raise AmbiguousNameError("image", name, [f"/{paths[row.ref]}" for row in many], "give its path, or its id")
