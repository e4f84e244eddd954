"""What writes to vCenter: nodes made, started, stopped and destroyed; undone where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["clone", "destroy", "extra_config", "folders", "power", "provision"]

if TYPE_CHECKING:
    from . import clone, destroy, extra_config, folders, power, provision
else:
    __getattr__ = load_on_use(__name__, __all__)
