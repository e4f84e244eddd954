"""Where objects are: the rows of folders, datacenters, clusters and hosts in, names and paths out. (pure)"""

from __future__ import annotations

from collections.abc import Mapping

from ..vcenter.rows import Ref, Row
from .names import unescape_name

TREE_PATHS: dict[str, tuple[str, ...]] = {
    "Folder": ("name", "parent"),
    "Datacenter": ("name", "parent", "vmFolder"),
    "VirtualApp": ("name", "parentFolder", "parentVApp"),
    "ComputeResource": ("name", "parent"),
    "HostSystem": ("name", "parent"),
    "Datastore": ("name", "parent"),
}
"""What a tree is made of: everything but VMs and networks, so it is small even where there are many VMs."""


class Tree:
    """The inventory's containers by reference.

    :param rows: ``{ref: row}`` read with ``TREE_PATHS``; rows of other objects may be among them.
    """

    def __init__(self, rows: Mapping[Ref, Row]) -> None:
        self.rows = rows
        self._around: dict[Ref | None, tuple[Ref, ...]] = {None: ()}
        self._paths: dict[tuple[Ref | None, Ref | None], str] = {}
        self._names: dict[Ref | None, str | None] = {None: None}

    def name(self, ref: Ref | None) -> str | None:
        """The object's name as a person wrote it; None when it is not visible."""
        if ref not in self._names:
            row = self.rows.get(ref) if ref else None
            self._names[ref] = unescape_name(row["name"]) if row is not None and "name" in row else None
        return self._names[ref]

    def parent(self, row: Row) -> Ref | None:
        """What the object is in. A VM inside a vApp has no ``parent``: its vApp's folder is where it shows."""
        for path in ("parentFolder", "parent", "parentVApp"):  # a vApp's ``parent`` is a resource pool
            parent: Ref | None = row.get(path)
            if parent is None:
                continue
            above = self.rows.get(parent)
            return self.parent(above) if parent.kind == "VirtualApp" and above is not None else parent
        return None

    def ancestors(self, row: Row) -> tuple[Ref, ...]:
        """The containers around the object, innermost first."""
        return self._chain(self.parent(row))

    def _chain(self, ref: Ref | None) -> tuple[Ref, ...]:
        """The container and those around it."""
        if ref is None or ref in self._around:
            return self._around[ref]
        above = self.rows.get(ref)
        self._around[ref] = chain = (ref, *(self.ancestors(above) if above is not None else ()))
        return chain

    def is_below(self, row: Row, folder: Ref | None) -> bool:
        """Whether the object is somewhere in this folder."""
        return folder is not None and folder in self.ancestors(row)

    def path(self, row: Row, below: Ref | None = None) -> str:
        """The inventory path with vCenter's escapes, from ``below`` (not included) or else from the root."""
        parent = self.parent(row)
        if (parent, below) not in self._paths:
            self._paths[parent, below] = self._prefix(self._chain(parent), below)
        name: str = row.get("name", "")
        return self._paths[parent, below] + name

    def _prefix(self, containers: tuple[Ref, ...], below: Ref | None) -> str:
        steps = [""]
        for ref in containers:
            above = self.rows.get(ref)
            if ref == below or above is None or "parent" not in above:
                break
            steps.append(above.get("name", ""))
        return "/".join(reversed(steps))

    def children(self, folder: Ref, kind: str) -> list[Row]:
        """The objects of this type directly in the folder."""
        return [row for ref, row in self.rows.items() if ref.kind == kind and row.get("parent") == folder]

    def cluster(self, host: Ref | None) -> Ref | None:
        """The cluster or stand-alone compute resource that a host belongs to."""
        row = self.rows.get(host) if host else None
        return row.get("parent") if row is not None else None
