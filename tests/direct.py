"""A look behind the driver's back: pyVmomi and nothing else, logged in to a lab."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyVmomi import SoapStubAdapter, vim, vmodl

from libcloud_vsphere_clone.lab import Lab

_Collector = vmodl.query.PropertyCollector

Create = Callable[..., Any]
"""A function that makes a node: takes its name and what else ``create_node`` takes."""

Later = Callable[..., None]
"""A function that does something later: takes it, and its arguments."""

WRITES = {"CloneVM_Task", "CreateFolder", "ReconfigVM_Task", "PowerOnVM_Task", "Destroy_Task", "Rename_Task"}


def writes(lab: Lab) -> dict[str, int]:
    """The calls since the last reset that change something when a node is made."""
    return {method: count for method, count in lab.calls().by_method.items() if method in WRITES}


def await_calls(lab: Lab, method: str, count: int) -> None:
    """Wait until the lab has had so many of these calls since the last reset."""
    deadline = time.monotonic() + 120
    while lab.calls().by_method.get(method, 0) < count:
        assert time.monotonic() < deadline, f"{method} was not called {count} times"
        time.sleep(0.01)


@contextmanager
def acting_in_waits(lab: Lab) -> Iterator[Later]:
    """Do things while the test waits: its wait has been told the present state, and asks for more."""
    threads: list[threading.Thread] = []

    def start(work: Callable[..., object], *args: Any, **words: Any) -> None:
        lab.reset_calls()

        def act() -> None:
            await_calls(lab, "WaitForUpdatesEx", 2)
            work(*args, **words)

        threads.append(threading.Thread(target=act))
        threads[-1].start()

    try:
        yield start
    finally:
        for thread in threads:
            thread.join()


class Direct:
    """One session of its own."""

    def __init__(self, lab: Lab) -> None:
        context = ssl.create_default_context(cafile=lab.ca_cert)
        self._datacenter = lab.datacenter
        self._stub = SoapStubAdapter(
            host=lab.host, port=lab.port, path="/sdk", version="vim.version.v8_0_3_0", sslContext=context
        )
        instance: Any = vim.ServiceInstance
        self.content = instance("ServiceInstance", self._stub).RetrieveContent()
        self.content.sessionManager.Login(lab.username, lab.password)

    def close(self) -> None:
        with suppress(vim.fault.NotAuthenticated):  # a test may have ended all sessions
            self.content.sessionManager.Logout()
        self._stub.DropConnections()

    def find(self, path: str) -> Any:
        """What is at this path below the datacenter; None if nothing is."""
        return self.content.searchIndex.FindByInventoryPath(f"/{self._datacenter}/{path}")

    def vm(self, moid: str) -> Any:
        return vim.VirtualMachine(moid, self._stub)

    def read(self, target: Any, path: str) -> Any:
        """One property; None if it is unset."""
        spec = _Collector.FilterSpec(
            objectSet=[_Collector.ObjectSpec(obj=target)],
            propSet=[_Collector.PropertySpec(type=type(target), pathSet=[path])],
        )
        (found,) = self.content.propertyCollector.RetrieveContents([spec])
        return found.propSet[0].val if found.propSet else None

    def wait(self, task: Any) -> Any:
        """The task's result; its fault is raised."""
        while (state := self.read(task, "info.state")) not in ("success", "error"):
            time.sleep(0.01)
        if state == "error":
            raise self.read(task, "info.error")
        return self.read(task, "info.result")

    def running_clones(self) -> list[Any]:
        """The tasks of the clones that are queued or under way."""
        tasks = self.read(self.content.taskManager, "recentTask")
        spec = _Collector.FilterSpec(
            objectSet=[_Collector.ObjectSpec(obj=task) for task in tasks],
            propSet=[_Collector.PropertySpec(type=vim.Task, pathSet=["info.descriptionId", "info.state"])],
        )
        found = self.content.propertyCollector.RetrieveContents([spec]) if tasks else []
        infos = {one.obj: {option.name: option.val for option in one.propSet} for one in found}
        return [
            task
            for task, info in infos.items()
            if "clone" in info["info.descriptionId"].lower() and info["info.state"] in ("queued", "running")
        ]

    def await_clones(self) -> None:
        """Wait until no clone is under way: what was to be made is made, and nothing more will be."""
        while self.running_clones():
            time.sleep(0.02)

    def clone(self, source: Any, folder: Any, name: str) -> Any:
        """A clone made by hand: with the marks of its source, as vCenter copies them."""
        place = vim.vm.RelocateSpec(pool=self.find("host/cluster-drs/Resources"))
        return self.wait(source.CloneVM_Task(folder, name, vim.vm.CloneSpec(location=place, powerOn=False)))

    def destroy(self, vm: Any) -> None:
        if self.read(vm, "runtime.powerState") == "poweredOn":
            self.wait(vm.PowerOffVM_Task())
        self.wait(vm.Destroy_Task())

    def all_vms(self) -> set[str]:
        """The managed object ids of all VMs."""
        view = self.content.viewManager.CreateContainerView(self.content.rootFolder, [vim.VirtualMachine], True)
        try:
            return {vm._moId for vm in self.read(view, "view")}
        finally:
            view.DestroyView()

    def children(self, path: str) -> list[str]:
        """The names of what is in the folder at this path, sorted; none if there is no folder."""
        folder = self.find(path)
        return sorted(self.read(child, "name") for child in self.read(folder, "childEntity")) if folder else []

    def extra_config(self, vm: Any) -> dict[str, str]:
        """A VM's extraConfig."""
        return {option.key: option.value for option in self.read(vm, "config.extraConfig")}

    def devices(self, vm: Any, kind: type) -> list[Any]:
        """A VM's devices of this kind."""
        return [device for device in self.read(vm, "config.hardware.device") if isinstance(device, kind)]
