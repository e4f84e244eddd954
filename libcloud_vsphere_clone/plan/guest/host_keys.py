"""What a guest is told of its SSH host keys. (pure)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.host_keys import HostKeys
from .customization import Customization
from .mechanism import Choice

__all__ = ["HostKeys", "told_host_keys"]


def told_host_keys(keys: HostKeys | None, choice: Choice, wanted: Customization) -> tuple[Mapping[str, Any], str]:
    """Cloud-config of ours on host keys, and the mark that says which keys the guest will have; both may be empty.

    Private keys are told only to guests that remove them from guestinfo after the first boot: that is where nothing but
    ours is in the user data. Only nodes that somebody is to log in to are told anything.
    """
    if keys is None or choice.mechanism != "cloud-init" or wanted.login is None:
        return {}, ""
    return (keys.publish, "") if wanted.userdata else (keys.install, keys.mark)
