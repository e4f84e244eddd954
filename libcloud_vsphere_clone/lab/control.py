"""What tests steer a running lab with: faults, delays, dead sessions and swapped certificates.

Takes the lab's control address and token; each method is one request. Never speaks to the vSphere endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from .errors import LabError
from .faults import Faults

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class CallCounts:
    """The SOAP calls that arrived since the start or the last reset.

    :param by_method: {method: calls}
    :param bytes_out: the size of all answers.
    """

    total: int
    by_method: dict[str, int]
    bytes_out: int


@dataclass(frozen=True)
class LoginCounts:
    """The Login calls that arrived since the start.

    :param count: all of them, refused ones too.
    """

    count: int
    failed: int


@dataclass(frozen=True)
class Leftovers:
    """Server-side objects of all live sessions that were not destroyed yet.

    :param collectors: property collectors beside each session's own.
    """

    views: int
    collectors: int
    filters: int


class LabControl:
    """One lab's control endpoint.

    :param url: ``http://127.0.0.1:port``, as in ``lab start --json``.
    """

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port
        self._token = token
        self.faults = Faults(self)

    def __repr__(self) -> str:
        return f"LabControl('http://{self._host}:{self._port}', token='***')"

    def calls(self) -> CallCounts:
        """The SOAP calls that arrived since the start or the last reset."""
        answer = self.request("GET", "/v1/calls")
        return CallCounts(answer["total"], dict(answer["by_method"]), answer["bytes_out"])

    def reset_calls(self) -> None:
        """Count calls from zero again."""
        self.request("DELETE", "/v1/calls")

    def logins(self) -> LoginCounts:
        """The Login calls that arrived since the start."""
        answer = self.request("GET", "/v1/logins")
        return LoginCounts(answer["count"], answer["failed"])

    def count_sessions(self) -> int:
        """The live logins."""
        return int(self.request("GET", "/v1/sessions")["count"])

    def expire_sessions(self, *, silent: bool = False) -> int:
        """End all sessions, as vCenter's idle time-out does; returns how many there were.

        :param silent: bulk reads without a session come back empty, as some servers do, instead of failing.
        """
        return int(self.request("POST", "/v1/sessions/expire", {"silent": silent})["expired"])

    def leftovers(self) -> Leftovers:
        """What clients have made on the server and not destroyed."""
        answer = self.request("GET", "/v1/views")
        return Leftovers(answer["count"], answer["collectors"], answer["filters"])

    def delay_tasks(self, delays_ms: Mapping[str, int]) -> None:
        """Make tasks take longer from now on; an empty mapping ends that.

        :param delays_ms: {task name such as ``CloneVM``: milliseconds}
        """
        self.request("POST", "/v1/tasks/delay", dict(delays_ms))

    def swap_certificate(self) -> None:
        """Show new connections another certificate, which no CA of the lab signed."""
        self.request("POST", "/v1/tls/swap")

    def restore_certificate(self) -> None:
        """Show new connections the lab's own certificate again."""
        self.request("DELETE", "/v1/tls/swap")

    def change_vm(
        self, vm_id: str, properties: Mapping[str, object] | None = None, *, drop_config: bool | None = None
    ) -> None:
        """Put a VM into a state that the simulator never reaches by itself.

        :param vm_id: its MoID.
        :param properties: {property path: value}
        :param drop_config: True hides ``config``, as of an orphaned VM; False shows it again.
        """
        body: dict[str, object] = {"set": dict(properties or {})}
        if drop_config is not None:
            body["drop_config"] = drop_config
        self.request("POST", f"/v1/vms/{quote(vm_id, safe='')}", body)

    def connect_nics(self, vm_id: str, *, connected: bool) -> None:
        """Connect all adapters of a VM to their networks, or disconnect them."""
        self.request("POST", f"/v1/vms/{quote(vm_id, safe='')}/nics", {"connected": connected})

    def tell_customization(
        self, vm_id: str, *, status: str | None = None, event: str | None = None, message: str = ""
    ) -> None:
        """Report how a VM's customization goes, as its guest would.

        :param status: of ``guest.customizationInfo``, such as ``TOOLSDEPLOYPKG_RUNNING``.
        :param event: the type of an event to post, such as ``CustomizationSucceeded``.
        """
        body = {"status": status or "", "event": event or "", "message": message}
        self.request("POST", f"/v1/vms/{quote(vm_id, safe='')}/customization", body)

    def fail_customizations(
        self, event: str = "CustomizationFailed", message: str = "", *, delay_ms: int = 0, times: int = 1
    ) -> None:
        """Make the customizations of the next clones fail, once they are powered on.

        :param event: the type of the event that says so.
        :param delay_ms: how long each runs before.
        """
        rule = {"event": event, "message": message, "delay_ms": delay_ms, "times": times}
        self.request("POST", "/v1/customization/fail", rule)

    def spare_customizations(self) -> None:
        """Make no customization fail on purpose from now on."""
        self.request("DELETE", "/v1/customization/fail")

    def typed(self, node: object) -> str:
        """What was typed on a VM's console since it was last cleared, as a guest with a US layout reads it.

        Keys that are no characters are in the notation of ``type_keys``: ``ls<enter>``, ``<leftCtrlOn>c<leftCtrlOff>``.

        :param node: a node, or a MoID.
        """
        return str(self.request("GET", f"/v1/vms/{_moid(node)}/typed")["text"])

    def clear_typed(self, node: object) -> None:
        """Forget what was typed on a VM's console; it takes all again."""
        self.request("DELETE", f"/v1/vms/{_moid(node)}/typed")

    def limit_typing(self, node: object, accepts: Sequence[int]) -> None:
        """Make a VM's console take only so many key events from each call, as a busy host's does.

        :param accepts: a number for each next call, then again from the first; empty ends that.
        """
        self.request("POST", f"/v1/vms/{_moid(node)}/keyboard", {"accepts": list(accepts)})

    def check_health(self) -> None:
        """Make sure that the lab answers.

        :raises LabError: it does not.
        """
        self.request("GET", "/v1/health")

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send one request; returns its decoded answer.

        :raises LabError: the lab does not answer, or refuses; with its own reason.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        # Not urllib: a proxy of the environment is not for a loopback address.
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException) as cause:
            raise LabError(f"the lab's control endpoint does not answer ({cause}); does the lab run?") from cause
        finally:
            connection.close()
        if response.status >= 300:
            raise LabError(f"the lab refused {method} {path}: {_reason(text)}")
        return json.loads(text) if text.strip() else None


def _moid(node: Any) -> str:
    """A node's MoID, or what is one, for a path."""
    return quote(node if isinstance(node, str) else node.extra["moid"], safe="")


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip() or "without a reason"
