"""The modules of the package, as files to be read."""

from __future__ import annotations

from pathlib import Path

PACKAGE = "libcloud_vsphere_clone"
FOLDER = Path(__file__).parent.parent / PACKAGE

MODULES = sorted(path for path in FOLDER.rglob("*.py") if path.parent.name != "site_packages")
"""What lies in ``site_packages`` is no part of the package: a test of its own says what it may import."""


def dotted_name(path: Path) -> str:
    """``vcenter.session`` for vcenter/session.py."""
    return ".".join(path.relative_to(FOLDER).with_suffix("").parts)


def module_id(path: Path) -> str:
    return str(path.relative_to(FOLDER))
