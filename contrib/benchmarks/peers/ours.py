"""This project's driver."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from libcloud.compute.base import Node, NodeImage
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import VsphereCloneNodeDriver

IMAGE = "debian-12"


class Ours:
    def __init__(
        self, host: str, port: int, username: str, password: str, ca_cert: str, datacenter: str, **options: Any
    ) -> None:
        self._login = (username, password)
        self._options = {"host": host, "port": port, "ca_cert": ca_cert, "ex_datacenter": datacenter, **options}
        self._driver = self._new()
        self._image: NodeImage | None = None
        self._node: Node | None = None

    def _new(self) -> VsphereCloneNodeDriver:
        return VsphereCloneNodeDriver(*self._login, **self._options)

    def close(self) -> None:
        self._driver.close()

    def prepare_list_cold(self) -> None:
        self._driver.close()
        self._driver = self._new()

    def list_cold(self) -> list[Node]:
        return list(self._driver.list_nodes())

    def list_second(self) -> list[Node]:
        """The call that subscribes: whatever the driver sets up to know of changes is part of it."""
        return list(self._driver.list_nodes())

    prepare_list_both = prepare_list_cold

    def list_both(self) -> list[Node]:
        """Nodes and what the driver keeps of them, in a process that has not listed so much before."""
        self._driver.list_nodes()
        return list(self._driver.list_nodes())

    def prepare_list_again(self) -> None:
        self._driver.list_nodes()

    def list_again(self) -> list[Node]:
        return list(self._driver.list_nodes())

    def list_fresh(self) -> list[Node]:
        return list(self._driver.list_nodes(ex_cached=False))

    def get_by_id(self, node_id: str, name: str) -> list[Node]:
        return [self._driver.ex_get_node(node_id)]

    def prepare_get_by_name_warm(self, node_id: str, name: str) -> None:
        self._driver.list_nodes()
        self._driver.list_nodes()

    def get_by_name_warm(self, node_id: str, name: str) -> list[Node]:
        """By a driver that has listed twice."""
        return self.get_by_name(node_id, name)

    def get_by_name(self, node_id: str, name: str) -> list[Node]:
        return [self._driver.ex_get_node(name=name)]

    def list_images(self) -> list[NodeImage]:
        return list(self._driver.list_images())

    def _find_image(self) -> NodeImage:
        self._image = self._image or self._driver.ex_get_image_by_name(IMAGE)
        return self._image

    def prepare_create(self, group: str, count: int) -> None:
        """What a program does first, too; a session keeps the view that is made for it."""
        self._find_image()

    def create(self, group: str, count: int) -> list[Node]:
        return list(self._driver.ex_create_nodes_in_group(group, count, None, self._find_image()))

    def destroy(self, group: str, count: int) -> int:
        self._driver.ex_destroy_group(group)
        return count

    def prepare_create_one(self, group: str) -> None:
        self._find_image()

    def create_one(self, group: str) -> int:
        """A plain ``create_node``, whose CloneVM_Task the floor sends again."""
        name = f"recorded-{uuid.uuid4().hex[:6]}"
        self._node = self._driver.create_node(name, None, self._find_image(), ex_group=group)
        return 1

    def prepare_create_node(self, group: str) -> None:
        """A driver at work: it has made and destroyed a node before, so the folder and what is kept are there."""
        if self._image is None:
            self.create_node(group)
            self.stop_node()
            self.start_node()
            self.drop_node()

    def create_node(self, group: str) -> int:
        self._node = self._driver.create_node(f"one-{uuid.uuid4().hex[:6]}", None, self._find_image(), ex_group=group)
        return 1

    def stop_node(self) -> int:
        return int(self._node is not None and self._driver.stop_node(self._node))

    def start_node(self) -> int:
        return int(self._node is not None and self._driver.start_node(self._node))

    def destroy_node(self) -> int:
        return self.drop_node()

    def prepare_deploy(self, key_file: str, group: str) -> None:
        self._find_image()
        self.drop_node()

    def deploy(self, key_file: str, group: str) -> int:
        """From the call to its return, with the script's output."""
        script = ScriptDeployment("echo out")
        self._node = self._driver.deploy_node(
            script,
            ssh_key=str(Path(key_file)),
            name=f"ours-{uuid.uuid4().hex[:6]}",
            size=None,
            image=self._image,
            ex_group=group,
        )
        if (script.stdout or "").strip() != "out":
            raise RuntimeError(f"the script said {script.stdout!r}")
        return 1

    def drop_node(self) -> int:
        if self._node is not None:
            self._driver.destroy_node(self._node)
        self._node = None
        return 1


PEER = Ours
