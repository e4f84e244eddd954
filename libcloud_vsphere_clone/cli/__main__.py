"""``python -m libcloud_vsphere_clone.cli`` is ``vsphere-clone``."""

from __future__ import annotations

from . import main

main(prog_name="vsphere-clone")
