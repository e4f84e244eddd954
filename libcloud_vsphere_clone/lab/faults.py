"""What goes wrong in a lab on purpose: rules, each for the calls of one method.

Takes the lab's control endpoint; each method is one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .control import LabControl

__all__ = ["Faults"]


class Faults:
    """What goes wrong in the lab, on purpose."""

    def __init__(self, control: LabControl) -> None:
        self._control = control

    def add(
        self,
        method: str,
        *,
        fault: str | None = None,
        target: str | None = None,
        message: str = "",
        fields: Mapping[str, object] | None = None,
        when: str = "before",
        times: int = 1,
        every: int = 1,
        delay_ms: int = 0,
    ) -> int:
        """Add a rule that makes calls of a method go wrong; returns its id.

        :param method: as on the wire, such as ``CloneVM_Task``.
        :param fault: the name of a vim fault type, such as ``NoDiskSpace``; ``fields`` are its own.
        :param target: only calls on this object: a MoID, or ``name:`` and its name; None is any.
        :param when: ``before`` (the fault instead of the call), ``task`` (its task ends so), ``reset-before`` and
            ``reset-after`` (the connection breaks before or after the call took effect), ``drop-body``, ``stall``
            (the answer comes ``delay_ms`` later).
        :param times: how often; 0 is always. ``every`` 3 spares two of three calls.
        """
        rule = {
            "method": method,
            "object": target,
            "fault": fault or "",
            "message": message,
            "fields": dict(fields or {}),
            "when": when,
            "times": times,
            "every": every,
            "delay_ms": delay_ms,
        }
        return int(self._control.request("POST", "/v1/faults", rule)["id"])

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with how often each was hit."""
        return list(self._control.request("GET", "/v1/faults")["faults"] or [])

    def remove(self, rule_id: int) -> None:
        """End one rule; the others stay."""
        self._control.request("DELETE", f"/v1/faults/{rule_id}")

    def clear(self) -> None:
        """End all rules."""
        self._control.request("DELETE", "/v1/faults")
