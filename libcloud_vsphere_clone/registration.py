"""The drivers in Libcloud's tables: an import of this package adds them.

The table and the work are in the top-level module ``_vsphere_clone_boot``: the interpreter runs it at each
start, by way of ``vsphere_clone.pth``, and must not import this package for it. Where no ``.pth`` file is run
(``python -S``, ``pip install --target``, a frozen program, or the user opted out), this does the same.
"""

from __future__ import annotations

from _vsphere_clone_boot import DRIVERS, OPT_OUT, install

__all__ = ["DRIVERS", "OPT_OUT", "register_drivers"]


def register_drivers() -> None:
    """Add the drivers to Libcloud's tables, for ``get_driver("vsphere_clone")``; Libcloud itself is not imported.

    A second call changes nothing.
    """
    install()
