"""``cli/customize.py``: what the guest shall be, as options."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import fetch_row
from libcloud_vsphere_clone.vcenter.rows import Ref

Run = Callable[..., Result]

METADATA = 'config.extraConfig["guestinfo.metadata"].value'


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--network", "VM Network,speed=10"], 2, "--network NAME takes address, gateway, mac"),
        (["--network", "VM Network,address=10.0.0.300/24"], 1, "10.0.0.300/24"),
        (["--customize", "magic"], 1, "--customize must be one of"),
        (["--timezone", "Mars/Olympus"], 1, "Mars/Olympus"),
        (["--hostname", "not a host"], 1, "not a host"),
    ],
)
def test_wrong_words_make_nothing(
    on_bare: Run, names: Callable[[], set[str]], words: list[str], status: int, said: str
) -> None:
    refused = on_bare("deploy", "db-1", "--image", "debian-12", "--no-wait", *words)
    assert refused.exit_code == status
    assert said in refused.stderr
    assert "db-1" not in names()


def test_the_guest_is_told(on_bare: Run, bare_cleared: Lab, tmp_path: Path) -> None:
    (tmp_path / "first").write_text("#!/bin/sh\ntouch /first\n")
    address = "VM Network,address=10.0.0.5/24,address=fd00::5/64,gateway=10.0.0.1"
    words = ["--network", address, "--hostname", "db", "--domain", "shop.example", "--dns", "10.0.0.2"]
    done = on_bare(
        *("deploy", "db-1", "--image", "debian-12", "--no-wait", "--json", *words),
        *("--timezone", "Europe/Berlin", "--first-boot-script", str(tmp_path / "first")),
    )
    assert done.exit_code == 0, done.stderr
    node = json.loads(done.stdout)["node"]
    assert node["customization"] == "cloud-init"
    with bare_cleared.driver() as driver:
        row = fetch_row(driver._session, Ref("VirtualMachine", node["moid"]), (METADATA,))
    assert row is not None
    metadata = json.loads(gzip.decompress(base64.b64decode(row[METADATA])))
    assert metadata["local-hostname"] == "db.shop.example"
    network = json.loads(gzip.decompress(base64.b64decode(metadata["network"])))
    [adapter] = network["ethernets"].values()
    assert adapter["addresses"] == ["10.0.0.5/24", "fd00::5/64"]
    assert adapter["nameservers"]["addresses"] == ["10.0.0.2"]
