"""vSphere's own type names → pyVmomi's types, which are spelled otherwise for some. (pure)"""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vmodl

from .rows import Ref


def vim_type(name: str) -> Any:
    """The pyVmomi type of a vSphere type as it stands in the API reference, e.g. ``DistributedVirtualPortgroup``."""
    return VmomiSupport.GetWsdlType("urn:vim25", name)


def to_managed(ref: Ref | None, stub: Any = None) -> Any:
    """The managed object; None stays None. Without a stub it can only stand in a spec: nothing is read through it."""
    return vim_type(ref.kind)(ref.moid, stub) if ref is not None else None


def to_fault(name: str, text: str) -> Any:
    """A fault of this type with this text; a plain one that names the type, where this pyVmomi does not know it."""
    try:
        fault = vim_type(name)()
    except KeyError:
        fault, text = vmodl.MethodFault(), f"{text} ({name})"
    fault.msg = text
    return fault
