"""The lab's only error, which the package shows as ``libcloud_vsphere_clone.LabError``.

Of Libcloud's tree like the driver's own errors, and of the same manners: ``str()`` is the message.
"""

from __future__ import annotations

from libcloud.common.types import LibcloudError

__all__ = ["LabError"]


class LabError(LibcloudError):
    """The embedded lab could not be built, started or controlled."""

    def __init__(self, message: str) -> None:
        super().__init__(message, driver=None)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"
