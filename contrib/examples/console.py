"""Typing on a node's console: for a guest without network and without VMware Tools. On a lab of its own.

Nobody sees what the guest makes of it. The lab's guests read no keyboard: it shows what one would have typed.
"""

from __future__ import annotations

from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import InvalidRequestError, Keyboard, Lab

PASSWORD = "vsphere-lab"  # noqa: S105 - of the image, which everyone knows

SCRIPT = ScriptDeployment("#!/bin/sh\nip address add 10.20.0.5/24 dev eth0\n", name="set-address.sh")


def main() -> None:
    with Lab(guests=False) as lab, lab.driver() as driver:
        node = driver.deploy_node(
            name="old-1",
            size=None,  # the image's own CPUs and memory
            image=driver.ex_get_image_by_name("debian-12-static"),
            auth=NodeAuthPassword(PASSWORD),
            deploy=SCRIPT,
            # A real guest takes longer to boot: before="<wait60s><enter>".
            ex_transport=Keyboard(log_in=True, before="<enter><wait1s>"),
        )
        print(lab.typed(node).replace("<enter>", "<enter>\n"))
        print("exit status:", SCRIPT.exit_status)  # -1: nobody saw it end

        lab.clear_typed(node)
        session = driver.ex_open_session(node, "keyboard")
        session.type_keys("<leftCtrlOn><leftAltOn><f2><leftAltOff><leftCtrlOff>")  # type: ignore[attr-defined]
        print(lab.typed(node))
        try:
            session.run("echo 10 \N{EURO SIGN}")  # refused as a whole: not one key is typed
        except InvalidRequestError as refused:
            print(refused)
        node.destroy()


if __name__ == "__main__":
    main()
