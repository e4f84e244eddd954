from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab, LabError
from libcloud_vsphere_clone.lab.process import launch, stop
from libcloud_vsphere_clone.lab.record import LabOptions

Connect = Callable[[Lab], Any]


def test_a_lab_is_a_vcenter_of_the_default_version(bare_lab: Lab, connect: Connect) -> None:
    about = connect(bare_lab).content.about
    assert (about.apiType, about.apiVersion) == ("VirtualCenter", "8.0.3.0")
    assert bare_lab.guests_unavailable == "guests are switched off for this lab"


def test_the_seed_has_images_to_clone(bare_lab: Lab, connect: Connect) -> None:
    client = connect(bare_lab)
    for path in ("debian-12", "debian-12-static", "archive/debian-11"):
        assert client.read(client.find(f"vm/jclouds-images/{path}"), "config.template") is True


def test_options_reach_the_program(private_state: object, connect: Connect) -> None:
    with Lab(vms=3, guests=False, api_version="7.0.3.0") as lab:
        client = connect(lab)
        assert client.content.about.apiVersion == "7.0.3.0"
        assert len(client.read(client.find("vm/load"), "childEntity")) == 3


def test_a_bare_host_is_no_vcenter(private_state: object, connect: Connect) -> None:
    with Lab(esxi=True) as lab:
        assert connect(lab).content.about.apiType == "HostAgent"
        assert lab.guests_unavailable == "a bare ESXi host has no templates"


def test_attach_finds_a_lab_of_another_process(private_state: object) -> None:
    record = launch("shared", LabOptions(guests=False))
    try:
        lab = Lab.attach("shared")
        assert (lab.port, lab.password) == (record.connection()["port"], record.password)
        assert lab.calls().total == 0
    finally:
        stop(record)
    with pytest.raises(LabError, match="vsphere-clone lab start --name shared"):
        Lab.attach("shared")


def test_a_stopped_lab_says_so(private_state: object) -> None:
    lab = Lab(guests=False)
    assert "not running" in repr(lab)
    with pytest.raises(LabError, match="does not run"):
        lab.calls()
    lab.start()
    with pytest.raises(LabError, match="runs already"):
        lab.start()
    lab.stop()
    lab.stop()
    with pytest.raises(LabError, match="does not run"):
        lab.faults.clear()


def test_progress_is_told(private_state: object) -> None:
    told: list[str] = []
    with Lab(guests=False, on_progress=told.append):
        assert told[-1] == "starting the lab"


def test_the_driver_verifies_the_labs_certificate(bare_lab: Lab) -> None:
    driver = bare_lab.driver()
    try:
        assert {image.name for image in driver.list_images()} >= {"debian-12", "debian-12-static"}
    finally:
        driver.close()
