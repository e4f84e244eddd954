"""Libcloud's own ``vsphere`` driver. Its ``create_node`` makes the VM and then fails: what it leaves is destroyed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize
from libcloud.compute.drivers.vsphere import VSphereNodeDriver

from .vim import Vim


class Builtin:
    def __init__(self, host: str, port: int, username: str, password: str, ca_cert: str, **_: Any) -> None:
        self._driver: Any = VSphereNodeDriver(host, username, password, port=port, ca_cert=ca_cert)
        self._image: NodeImage | None = None

    def list_cold(self) -> list[Node]:
        return list(self._driver.list_nodes())

    def list_images(self) -> list[NodeImage]:
        return list(self._driver.list_images())

    def get_by_id(self, node_id: str, name: str) -> int:
        """It has no call for this: scripts list all nodes and pick."""
        return sum(node.id == node_id for node in self._driver.list_nodes())

    def get_by_name(self, node_id: str, name: str) -> int:
        return sum(node.name == name for node in self._driver.list_nodes())

    def prepare_create(self, group: str, count: int) -> None:
        # Its list_images fails on the simulator; it only takes the id of an image, though.
        search = self._driver.connection.RetrieveContent().searchIndex
        template = search.FindByInventoryPath("lab-dc/vm/jclouds-images/debian-12")
        self._image = NodeImage(template.config.instanceUuid, template.name, self._driver)

    def create(self, group: str, count: int) -> int:
        """One by one, as it has no other way."""
        location = NodeLocation("cluster-drs", "cluster-drs", "", self._driver)
        size = NodeSize("s", "s", 2048, 8, 0, 0, self._driver, extra={"cpu": 2})
        for number in range(count):
            # It then reads the finished VM's summary, which fails; the clone is there.
            with suppress(AttributeError):
                self._driver.create_node(f"{group}-{number}", self._image, size, location=location, ex_folder=group)
        return self._count(group)

    def destroy(self, group: str, count: int) -> int:
        for vm in self._vms(group):
            Vim.destroy(vm)
        return count

    def _count(self, group: str) -> int:
        return len(self._vms(group))

    def _vms(self, group: str) -> list[Any]:
        content = self._driver.connection.RetrieveContent()
        return list(content.searchIndex.FindByInventoryPath(f"lab-dc/vm/{group}").childEntity)


PEER = Builtin
