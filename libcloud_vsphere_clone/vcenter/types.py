"""vSphere's own type names → pyVmomi's types, which are spelled otherwise for some. (pure)"""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport

from .rows import Ref


def vim_type(name: str) -> Any:
    """The pyVmomi type of a vSphere type as it stands in the API reference, e.g. ``DistributedVirtualPortgroup``."""
    return VmomiSupport.GetWsdlType("urn:vim25", name)


def to_managed(ref: Ref | None, stub: Any = None) -> Any:
    """The managed object; None stays None. Without a stub it can only stand in a spec: nothing is read through it."""
    return vim_type(ref.kind)(ref.moid, stub) if ref is not None else None
