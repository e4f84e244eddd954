"""A Windows node: named and given a password by sysprep, then deployed to over WinRM.

    python windows_winrm.py                 what the lab can show: vCenter's part, without any Windows
    python windows_winrm.py IMAGE CA_FILE   on your vCenter, named by VSPHERE_CLONE_HOST, _USERNAME and _PASSWORD

The second has never been run: this project has no Windows. IMAGE is a Windows with VMware Tools whose WinRM service
listens on port 5986 with a certificate that CA_FILE signed. It needs the extra ``winrm``.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any

from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import Lab, VsphereCloneNodeDriver, Windows, WinRM

SCRIPT = ScriptDeployment("Get-ComputerInfo -Property CsName, OsName\nexit 0\n")  # PowerShell
WISHES: dict[str, Any] = {
    "ex_windows": Windows(organization="Example", run_once=["cmd /c echo made by Libcloud > C:\\made.txt"]),
    "ex_timezone": "Europe/Berlin",
    "ex_group": "windows",
}


def deploy(driver: VsphereCloneNodeDriver, image: str, ca_file: str) -> None:
    """Sysprep is chosen by itself for a Windows image, and so is WinRM; here it is told whom to trust."""
    password = f"Aa1-{secrets.token_urlsafe(12)}"
    node = driver.deploy_node(
        name="win-1",
        size=None,
        image=driver.ex_get_image_by_name(image),
        auth=NodeAuthPassword(password),
        deploy=SCRIPT,
        ex_transport=WinRM(ca_cert=ca_file),
        timeout=1800,  # sysprep restarts the guest more than once
        **WISHES,
    )
    print(node.name, node.private_ips, SCRIPT.stdout, SCRIPT.exit_status)


def show(driver: VsphereCloneNodeDriver) -> None:
    """The simulated vCenter takes the same specification, and says that it was carried out: it was not."""
    node = driver.create_node(
        "win-1",
        None,
        driver.ex_get_image_by_name("debian-12"),
        auth=NodeAuthPassword("Aa1-not-a-secret"),
        ex_customize="sysprep",  # this image is no Windows
        **WISHES,
    )
    [(node, _)] = driver.wait_until_running([node], ex_wait_for="customized")
    print(f"vCenter took the customization of {node.name} by {node.extra['customization']}")
    node.destroy()


def main() -> None:
    if len(sys.argv) == 3:
        host, user, password = (os.environ[f"VSPHERE_CLONE_{name}"] for name in ("HOST", "USERNAME", "PASSWORD"))
        with VsphereCloneNodeDriver(user, password, host=host) as driver:
            deploy(driver, *sys.argv[1:])
        return
    with Lab(guests=False) as lab, lab.driver() as driver:
        show(driver)


if __name__ == "__main__":
    main()
