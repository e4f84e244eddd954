
from __future__ import annotations

from typing import TYPE_CHECKING

from ...loading import load_on_use


if TYPE_CHECKING:
else:
    __getattr__ = load_on_use(__name__, __all__)
