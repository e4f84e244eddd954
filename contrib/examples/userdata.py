"""What cloud-init is told: the caller's user data beside the log-in that the driver adds.

The node gets a user, a package-free web page and a host name at its first boot. The script then waits for cloud-init
to end and shows what it did. On a lab of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import paramiko
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import Lab

USERDATA = """\
#cloud-config
write_files:
  - path: /srv/www/index.html
    content: |
      hello from cloud-init
runcmd:
  - [chown, -R, "deploy:", /srv/www]
"""

# sshd lets people in before cloud-init has run the later parts of user data: wait for them.
SCRIPT = """\
#!/bin/sh
cloud-init status --wait >/dev/null
echo "$(hostname): $(stat -c %U /srv/www/index.html) owns $(cat /srv/www/index.html)"
"""


def main() -> None:
    with Lab() as lab, lab.driver() as driver, TemporaryDirectory() as folder:
        if lab.guests_unavailable:
            sys.exit(f"the lab has no guests: {lab.guests_unavailable}")
        key_file = Path(folder, "key")
        paramiko.ECDSAKey.generate().write_private_key_file(str(key_file))
        script = ScriptDeployment(SCRIPT)
        node = driver.deploy_node(
            name="Web Server 1",
            size=None,  # the image's own CPUs and memory
            image=driver.ex_get_image_by_name("debian-12"),
            deploy=script,
            ssh_username="deploy",  # made by cloud-init, with sudo
            ssh_key=str(key_file),
            ex_userdata=USERDATA,
            ex_metadata={"owner": "web team"},
        )
        print(script.stdout.strip() if script.stdout else script.stderr)
        print("metadata:", driver.ex_get_node(node.id).extra["metadata"])
        node.destroy()


if __name__ == "__main__":
    main()
