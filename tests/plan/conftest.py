"""The real cloud-init of the lab's guests, as a judge of what it will be told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from os import environ
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.guest_image import ensure_guest_images
from libcloud_vsphere_clone.lab.record import load_record

Shell = Callable[[str, str], str]
"""What a shell script says in a container of the guests' image, with a text as its standard input."""

FORMATS = ("netplan", "networkd", "eni", "sysconfig", "network-manager")

CONVERT = """
cat >/net.json
useradd --system systemd-network  # the owner of networkd's files, which a guest with networkd has
for kind in {formats}; do
    distro=debian; [ $kind = sysconfig ] && distro=rhel
    cloud-init devel net-convert -p /net.json -k yaml -d /out/$kind -D $distro -O $kind {macs} >&2 || exit 1
done
cd /out; grep -r '' .
"""


@pytest.fixture(scope="session")
def shell(lab: Lab) -> Shell:
    record = load_record(lab.name)
    assert record is not None and record.engine is not None
    images = ensure_guest_images(record.engine)

    def run(script: str, text: str) -> str:
        engine = images.engine
        command = [engine.command, "run", "--rm", "-i", "--network", "none", "--entrypoint", "sh", images.cloud_init]
        environment = {**environ, **engine.environment}
        done = subprocess.run(
            [*command, "-c", script],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def net_convert(shell: Shell) -> Callable[[dict[str, Any]], dict[str, str]]:
    """``{format: what cloud-init's writer of it makes}`` of a network config, as lines ``file:text``."""

    def convert(config: dict[str, Any]) -> dict[str, str]:
        ethernets = config["ethernets"].items()
        macs = " ".join(f"-m {name},{adapter['match']['macaddress']}" for name, adapter in ethernets)
        said = shell(CONVERT.format(formats=" ".join(FORMATS), macs=macs), json.dumps(config))
        return {
            kind: "\n".join(line for line in said.splitlines() if line.startswith(f"./{kind}/")) for kind in FORMATS
        }

    return convert
