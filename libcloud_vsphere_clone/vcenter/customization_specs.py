"""Customization specifications stored in vCenter: a name in, the specification out."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from ..errors import NotFoundError, translated
from .properties import fetch_row
from .rows import Ref
from .session import Session


def fetch_customization_spec(session: Session, name: str) -> Any:
    """The CustomizationSpec of this name. One round trip, one more where there is none.

    :raises NotFoundError: there is none; it says which there are.
    Source: CustomizationSpecManager.GetCustomizationSpec (vSphere Web Services API).
    """
    manager = session.content.customizationSpecManager
    with translated(f"read customization specification {name!r}"):
        try:
            return manager.GetCustomizationSpec(name).spec
        except vim.fault.NotFound as cause:
            known = ", ".join(_fetch_names(session, manager)) or "none"
            raise NotFoundError("customization specification", name, f"there are: {known}") from cause


def _fetch_names(session: Session, manager: Any) -> list[str]:
    row = fetch_row(session, Ref("CustomizationSpecManager", manager._moId), ("info",))
    infos = row.get("info") or [] if row is not None else []
    return sorted(info["name"] for info in infos)
