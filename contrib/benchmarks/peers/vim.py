"""pyVmomi used directly: the bulk recipe that its community samples teach, and tools for the other peers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

_Collector = vmodl.query.PropertyCollector


def wait(task: Any, timeout_s: float = 300) -> Any:
    """The task's result, asked for impatiently."""
    begin = time.monotonic()
    while True:
        state = task.info.state
        if state == "success":
            return task.info.result
        if state == "error":
            raise RuntimeError(task.info.error.msg)
        if time.monotonic() - begin > timeout_s:
            raise TimeoutError(f"{task} is {state}")
        time.sleep(max(0.005, (time.monotonic() - begin) / 50))


class Vim:
    """A pyVmomi connection, as a script would make it."""

    def __init__(
        self, host: str, port: int, username: str, password: str, ca_cert: str, paths: Sequence[str] = (), **_: Any
    ) -> None:
        context = ssl.create_default_context(cafile=ca_cert)
        self.instance = SmartConnect(
            host=host, port=port, user=username, pwd=password, sslContext=context, connectionPoolTimeout=-1
        )
        self.content = self.instance.RetrieveContent()
        self._paths = list(paths)

    def close(self) -> None:
        Disconnect(self.instance)

    def list_cold(self) -> dict[Any, dict[str, Any]]:
        """``{vm: {path: value}}``: a view, RetrieveContents, and the values taken out; no Node objects are made."""
        view = self.content.viewManager.CreateContainerView(self.content.rootFolder, [vim.VirtualMachine], True)
        traversal = _Collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
        spec = _Collector.FilterSpec(
            objectSet=[_Collector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])],
            propSet=[_Collector.PropertySpec(type=vim.VirtualMachine, pathSet=self._paths)],
        )
        found = self.content.propertyCollector.RetrieveContents([spec])
        rows = {row.obj: {value.name: value.val for value in row.propSet} for row in found}
        view.DestroyView()
        return rows

    def get_by_id(self, node_id: str, name: str) -> int:
        vm = self.content.searchIndex.FindByUuid(None, node_id, True, True)
        return len(self._fetch(vm, self._paths))

    def get_by_name(self, node_id: str, name: str) -> int:
        vm = self.content.searchIndex.FindByInventoryPath(f"lab-dc/vm/load/{name}")
        return len(self._fetch(vm, self._paths))

    def read(self, vm: Any, path: str) -> Any:
        """One property's value; None while it is unset."""
        values = self._fetch(vm, [path])[0].propSet
        return values[0].val if values else None

    def _fetch(self, vm: Any, paths: list[str]) -> Any:
        spec = _Collector.FilterSpec(
            objectSet=[_Collector.ObjectSpec(obj=vm)],
            propSet=[_Collector.PropertySpec(type=vim.VirtualMachine, pathSet=paths)],
        )
        return self.content.propertyCollector.RetrieveContents([spec])

    def rename(self, folder: str, share: float, mark: str) -> int:
        """Another client at work: renames this share of the folder's VMs."""
        vms = self.content.searchIndex.FindByInventoryPath(f"lab-dc/vm/{folder}").childEntity
        some = sorted(vms, key=lambda vm: str(vm._moId))[: max(1, round(len(vms) * share))]
        for vm in some:
            wait(vm.Rename_Task(f"load-{vm._moId}-{mark}"))
        return len(some)

    def pick(self, folder: str) -> dict[str, str]:
        """``{"node_id", "name"}`` of one VM in the middle."""
        vms = self.content.searchIndex.FindByInventoryPath(f"lab-dc/vm/{folder}").childEntity
        config = vms[len(vms) // 2].config
        return {"node_id": config.instanceUuid, "name": config.name}

    prepare_pick = pick

    def make_folder(self, name: str) -> int:
        self.content.searchIndex.FindByInventoryPath("lab-dc/vm").CreateFolder(name)
        return 1

    def empty_folder(self, name: str) -> int:
        """Removes the lab's VMs in this folder, and the folder."""
        folder = self.content.searchIndex.FindByInventoryPath(f"lab-dc/vm/{name}")
        if folder is None:
            return 0
        vms = list(folder.childEntity)
        for vm in vms:
            self.destroy(vm)
        wait(folder.Destroy_Task())
        return len(vms)

    @staticmethod
    def destroy(vm: Any) -> None:
        with suppress(RuntimeError, vim.fault.InvalidPowerState):  # it was off
            wait(vm.PowerOffVM_Task())
        wait(vm.Destroy_Task())


PEER = Vim
