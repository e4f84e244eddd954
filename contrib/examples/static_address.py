"""A node with a static address, and what its guest is told of it. On a lab of its own.

The address travels in the clone call, in cloud-init's network config, together with the adapter's MAC address. On a
vCenter the guest sets it; the lab's guests are containers, which keep the network that their engine gave them. So
this shows what cloud-init in the guest has read, and that it goes with the adapter that the node has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import paramiko
from libcloud.compute.base import NodeAuthSSHKey

from libcloud_vsphere_clone import Lab, Nic, Route

NICS = [
    Nic("VM Network", address="10.20.0.5/24", gateway="10.20.0.1"),
    Nic("dvpg-web", address=["10.30.0.5/24", "fd00:30::5/64"], routes=[Route("10.40.0.0/16", via="10.30.0.1")]),
]


def main() -> None:
    with Lab() as lab, lab.driver() as driver, TemporaryDirectory() as folder:
        if lab.guests_unavailable:
            sys.exit(f"the lab has no guests: {lab.guests_unavailable}")
        key_file = Path(folder, "key")
        key = paramiko.ECDSAKey.generate()
        key.write_private_key_file(str(key_file))

        node = driver.create_node(
            "db-1",
            size=None,  # the image's own CPUs and memory
            image=driver.ex_get_image_by_name("debian-12"),
            auth=NodeAuthSSHKey(f"{key.get_name()} {key.get_base64()}"),
            ex_networks=NICS,
            ex_dns=["10.20.0.2"],
            ex_domain="lab.example.com",
        )
        # On a vCenter, ex_expected="10.20.0.5" would have that address before all others.
        [(node, addresses)] = driver.wait_until_running([node])
        print("vCenter reports:", *addresses)

        session = driver.ex_open_session(node, ssh_key=str(key_file))
        session.run("cloud-init status --wait")
        host_name, *_ = session.run("hostname -f")
        config, *_ = session.run("cloud-init query ds.meta_data.network.config")
        session.close()
        print("host name:", host_name.strip())
        for name, adapter in json.loads(config)["ethernets"].items():
            print(f"{name}, {adapter['match']['macaddress']}:", *adapter["addresses"])
        node.destroy()


if __name__ == "__main__":
    main()
