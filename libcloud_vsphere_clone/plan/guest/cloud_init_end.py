"""How a guest with cloud-init reports to vCenter that cloud-init has ended, and whether it failed. (pure)

A command of the guest's first boot leaves a shell behind, which waits for the file in which cloud-init writes how all
its stages went, as its very last act. So it does not matter which scripts run before or after the command. Nor can it
be ``cloud-init status --wait``: some versions take a stage for running as long as something that it started runs, and
would wait for themselves. Of errors only the names of modules are reported: the rest may have secrets in it.
Guests without VMware Tools, or that may not write guestinfo, say nothing.

Source: cloud-init documentation, "Runtime state: result.json"; canonical/cloud-init issue 4373; checked with
cloud-init 22.4.2.
"""

from __future__ import annotations

from typing import Any

from ...model import marks

__all__ = ["end_config"]

TELL_END = r"""
file=/run/cloud-init/result.json
until [ -e $file ]; do sleep 1; done
text=done
if ! grep -q '"errors": \[\]' $file; then
    modules=$(sed -n "s/^ *\"('\([^']*\)'.*/\1,/p" $file | tr '\n' ' ')
    text="error: cloud-init failed${modules:+ in ${modules%, }}"
fi
message="info-set KEY $text"
vmware-rpctool "$message" || vmtoolsd --cmd "$message"
""".replace("KEY", marks.CUSTOMIZED)


def end_config() -> dict[str, Any]:
    """Cloud-config by which the guest reports the end of its first boot."""
    return {"runcmd": [["sh", "-c", f"({TELL_END}) </dev/null >/dev/null 2>&1 &"]]}
