"""A client of the lab that needs none of the driver's code."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from pyVmomi import SoapStubAdapter, vim, vmodl

from libcloud_vsphere_clone.lab import Lab

Filter = vmodl.query.PropertyCollector.FilterSpec
PropertySpec = vmodl.query.PropertyCollector.PropertySpec
ObjectSpec = vmodl.query.PropertyCollector.ObjectSpec


class PlainClient:
    """pyVmomi and nothing else, logged in to a lab."""

    def __init__(self, lab: Lab) -> None:
        context = ssl.create_default_context(cafile=lab.ca_cert)
        self._lab = lab
        self._stub = SoapStubAdapter(
            host=lab.host, port=lab.port, path="/sdk", version="vim.version.v8_0_3_0", sslContext=context
        )
        self.content = cast(Any, vim.ServiceInstance("ServiceInstance", self._stub).RetrieveContent())
        self.content.sessionManager.Login(lab.username, lab.password)

    def close(self) -> None:
        self._stub.DropConnections()

    def find(self, path: str) -> Any:
        return self.content.searchIndex.FindByInventoryPath(f"/{self._lab.datacenter}/{path}")

    def read(self, target: Any, path: str) -> Any:
        """One property; None if it is unset."""
        spec = Filter(objectSet=[ObjectSpec(obj=target)], propSet=[PropertySpec(type=type(target), pathSet=[path])])
        (found,) = self.content.propertyCollector.RetrieveContents([spec])
        return found.propSet[0].val if found.propSet else None

    def wait(self, task: Any) -> Any:
        """The task's result; its fault is raised."""
        while (state := self.read(task, "info.state")) not in ("success", "error"):
            time.sleep(0.02)
        if state == "error":
            raise self.read(task, "info.error")
        return self.read(task, "info.result")

    def clone(self, template: str, name: str, extra: dict[str, str]) -> Any:
        """The running clone of an image."""
        source = self.find(f"vm/jclouds-images/{template}")
        options = [vim.option.OptionValue(key=key, value=value) for key, value in extra.items()]
        place = vim.vm.RelocateSpec(pool=self.find("host/cluster-drs/Resources"))
        spec = vim.vm.CloneSpec(location=place, powerOn=True, config=vim.vm.ConfigSpec(extraConfig=options))
        return self.wait(source.Clone(self.find("vm"), name, spec))

    def destroy(self, vm: Any) -> None:
        if self.read(vm, "runtime.powerState") == "poweredOn":
            self.wait(vm.PowerOff())
        self.wait(vm.Destroy())


@pytest.fixture
def connect() -> Iterator[Callable[[Lab], PlainClient]]:
    """Connects to a lab; all connections are closed after the test."""
    clients: list[PlainClient] = []

    def connect_to(lab: Lab) -> PlainClient:
        clients.append(PlainClient(lab))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.close()
