"""The floor: the requests that our driver sent, sent again; nothing is parsed, decided or made safe.

``requests`` are what the relay recorded. Their session is alive as long as the driver that they were recorded from.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import paramiko
from pyVmomi import vim

from .vim import Vim, wait

IN_FLIGHT = 8
DIAL_EVERY_S = 0.02
_TOKEN = re.compile(rb"<token>([^<]+)</token>")
_TASK = re.compile(rb"<returnval[^>]*>(task-[^<]+)</returnval>")
_NAME = re.compile(r"(<name[^>]*>)((?:recorded|ours)-\w+)(</name>)")
_ID = re.compile(r"<instanceUuid>([^<]+)</instanceUuid>")


class Raw:
    def __init__(self, host: str, port: int, ca_cert: str, requests: list[dict[str, Any]], **login: Any) -> None:
        context = ssl.create_default_context(cafile=ca_cert)
        self._requests = requests
        self._dial: Callable[[], http.client.HTTPSConnection] = lambda: http.client.HTTPSConnection(
            host, port, context=context, timeout=60
        )
        self._connection = self._dial()
        self._connection.connect()
        self._login = {"host": host, "port": port, "ca_cert": ca_cert, **login}
        self._vim: Vim | None = None
        self._vms: list[Any] = []

    def close(self) -> None:
        self._connection.close()
        if self._vim:
            self._vim.close()

    def fetch(self) -> int:
        """The bytes of a listing, thrown away as they come; pages are followed."""
        for request in self._requests:
            token = self._fetch_page(request)
            while token:
                token = self._fetch_page({**request, "body": _continue(request["body"], token)})
        return 1

    def _fetch_page(self, request: dict[str, Any]) -> str:
        self._send(self._connection, request)
        response = self._connection.getresponse()
        first = response.read1(4096)
        while response.read1(65536):
            pass
        response.read()
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {first[:200]!r}")
        found = _TOKEN.search(first)
        return found[1].decode() if found else ""

    @staticmethod
    def _send(connection: http.client.HTTPConnection, request: dict[str, Any]) -> None:
        headers = {name: value for name, value in request["headers"].items() if name.lower() != "content-length"}
        connection.request("POST", "/sdk", request["body"].encode(), headers)

    # Clones

    def prepare_clone(self, count: int) -> None:
        if self._vim is None:
            self._vim = Vim(**self._login)
        self._vms = []

    def clone(self, count: int) -> int:
        """The recorded CloneVM_Task under other names, eight at a time, each awaited."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            self._vms = list(pool.map(lambda _: self._clone(), range(count)))
        return len(self._vms)

    def drop(self, count: int) -> int:
        """Power off and destroy what ``clone`` made, eight at a time."""
        if not self._vms:
            raise RuntimeError("nothing was cloned")
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            list(pool.map(Vim.destroy, self._vms))
        self._vms = []
        return count

    def _clone(self) -> Any:
        assert self._vim is not None  # noqa: S101  # for the type checker: prepare_clone came first
        connection = self._dial()
        self._send(connection, _rename(self._requests[0]))
        reply = connection.getresponse().read()
        connection.close()
        task = _TASK.search(reply)
        if task is None:
            raise RuntimeError(f"no task: {reply[-300:]!r}")
        return wait(vim.Task(task[1].decode(), self._vim.instance._stub))

    # Deployments

    def prepare_deploy(self, key_file: str) -> None:
        self.prepare_clone(1)

    def deploy(self, key_file: str) -> int:
        """A clone, then dialling until a command has run: an impatient client that knows everything beforehand."""
        vm = self._clone()
        self._vms = [vm]
        while not (address := self._vim.read(vm, "guest.ipAddress") if self._vim else None):
            time.sleep(0.01)
        _run_when_let_in(address, paramiko.PKey.from_path(key_file))
        return 1


def _run_when_let_in(address: str, key: paramiko.PKey) -> None:
    deadline = time.monotonic() + 120
    while True:
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # a container of the lab
            try:
                client.connect(address, username="root", pkey=key, allow_agent=False, look_for_keys=False, timeout=5)
                client.exec_command("echo out")[1].read()
                return
            except (OSError, EOFError, paramiko.SSHException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(DIAL_EVERY_S)


def _rename(request: dict[str, Any]) -> dict[str, Any]:
    """The same request for another VM: name and id occur nowhere but where they are meant."""
    body = request["body"]
    name, known = _NAME.search(body), _ID.search(body)
    if name is None or known is None:
        raise RuntimeError("the recorded CloneVM_Task has no name or no instanceUuid")
    body = body.replace(name[0], f"{name[1]}floor-{uuid.uuid4().hex[:8]}{name[3]}")
    return {**request, "body": body.replace(known[1], str(uuid.uuid4()))}


def _continue(body: str, token: str) -> str:
    """The request for the next page, in the envelope of the first."""
    head, _, rest = body.partition("<RetrievePropertiesEx")
    _, _, tail = rest.partition("</RetrievePropertiesEx>")
    collector = re.search(r"<_this.*?</_this>", rest)
    this = collector[0] if collector else ""
    inner = f"{this}<token>{token}</token>"
    return f'{head}<ContinueRetrievePropertiesEx xmlns="urn:vim25">{inner}</ContinueRetrievePropertiesEx>{tail}'


PEER = Raw
