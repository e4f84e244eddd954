"""Lab: a vCenter with real guests, for as long as a ``with`` block or a Python process lasts."""

from __future__ import annotations

import itertools
import logging
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from .build import Progress
from .control import CallCounts, LabControl
from .errors import LabError
from .faults import Faults
from .identity import identity_of
from .process import launch, stop
from .record import LabOptions, LabRecord, get_lab
from .winrm import LabWinRM

if TYPE_CHECKING:
    from ..driver.compute import VsphereCloneNodeDriver

log = logging.getLogger(__name__)

_numbers = itertools.count(1)


class Lab:
    """A lab of this process; ``with`` starts and stops it, or ``start()`` and ``stop()``, or the process's end.

    :param vms: plain simulated VMs, as inventory load.
    :param guests: False serves a vCenter whose templates have no guests: it starts in a second.
    :param esxi: a bare host instead of a vCenter.
    :param port: 0 is any free one.
    :param api_version: what the server says it speaks; None is 8.0.3.0.
    :param name: what it is called on this machine; None is a name that no other has.
    :param on_progress: called with what is being built.
    """

    host: str
    port: int
    username: str
    password: str
    ca_cert: str
    datacenter: str
    control_url: str
    control_token: str
    pid: int
    guests_unavailable: str | None
    """Why its templates have no guests, and what would help; None if they have."""

    def __init__(
        self,
        vms: int = 0,
        guests: bool = True,
        esxi: bool = False,
        port: int = 0,
        api_version: str | None = None,
        name: str | None = None,
        *,
        on_progress: Progress = log.info,
    ) -> None:
        self.name = name or f"lab-{os.getpid()}-{next(_numbers)}"
        self.options = LabOptions(vms=vms, guests=guests, esxi=esxi, port=port, api_version=api_version)
        self._on_progress = on_progress
        self._record: LabRecord | None = None
        self._control: LabControl | None = None
        self._finalizer: weakref.finalize[..., Lab] | None = None

    @classmethod
    def attach(cls, name: str = "default") -> Lab:
        """Attach to a lab that runs already, such as the one of ``vsphere-clone lab start``; ``stop()`` ends it.

        :raises LabError: none of that name runs.
        """
        record = get_lab(name)
        lab = cls(name=name)
        lab.options = record.options
        lab._adopt(record)
        return lab

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = f"at {self.host}:{self.port}" if self._record else "not running"
        return f"<Lab {self.name!r} {state}>"

    def start(self) -> Self:
        """Start this lab; returns it once it answers.

        :raises LabError: it could not be built or started, or runs already.
        """
        if self._record:
            raise LabError(f"lab {self.name!r} runs already")
        me = identity_of(os.getpid())
        record = launch(self.name, self.options, owner=me, on_progress=self._on_progress)
        self._finalizer = weakref.finalize(self, _stop_own, record)
        self._adopt(record)
        return self

    def stop(self) -> None:
        """End the lab and its guests; a second time does nothing."""
        if self._finalizer:
            self._finalizer.detach()
        record, self._record, self._control = self._record, None, None
        if record:
            stop(record)

    @property
    def control(self) -> LabControl:
        """All that tests can do to it; the commonest are methods of the lab itself.

        :raises LabError: it does not run.
        """
        if self._control is None:
            raise LabError(f"lab {self.name!r} does not run")
        return self._control

    @property
    def faults(self) -> Faults:
        return self.control.faults

    def calls(self) -> CallCounts:
        """The SOAP calls that arrived since the start or the last ``reset_calls()``."""
        return self.control.calls()

    def reset_calls(self) -> None:
        self.control.reset_calls()

    def expire_sessions(self, *, silent: bool = False) -> int:
        """End all sessions, as vCenter's idle time-out does; returns how many there were.

        :param silent: bulk reads without a session come back empty, as some servers do, instead of failing.
        """
        return self.control.expire_sessions(silent=silent)

    def delay_tasks(self, delays_ms: Mapping[str, int]) -> None:
        """Make tasks take longer from now on: {task name such as ``CloneVM``: milliseconds}; empty ends that."""
        self.control.delay_tasks(delays_ms)

    def typed(self, node: object) -> str:
        """What was typed on a VM's console, as a guest with a US layout reads it.

        :param node: a node, or a MoID.
        """
        return self.control.typed(node)

    def clear_typed(self, node: object) -> None:
        """Forget what was typed on a VM's console."""
        self.control.clear_typed(node)

    def start_winrm(
        self, program: Sequence[str], *, username: str = "Administrator", password: str, **kwargs: Any
    ) -> LabWinRM:
        """Start a WinRM server on loopback with the lab's certificate; it ends with the lab.

        :param program: gets each command line as its last argument, such as ``["/bin/sh", "-c"]``.
        :param kwargs: as for ``LabWinRM.start``.
        """
        return LabWinRM.start(self.control, program, username=username, password=password, **kwargs)

    def log_text(self) -> str:
        """What the lab's program has logged so far."""
        return Path(self.ca_cert).with_name("log").read_text(errors="replace")

    def driver(self, **kwargs: Any) -> VsphereCloneNodeDriver:
        """Connect a Libcloud driver to this lab, verifying its certificate.

        :param kwargs: as for the driver's constructor; they win over the lab's own.
        """
        from libcloud.compute.providers import get_driver

        import libcloud_vsphere_clone  # noqa: F401  registers the driver where no hook did

        connection = {
            "host": self.host,
            "port": self.port,
            "ca_cert": self.ca_cert,
            "ex_datacenter": self.datacenter,
        }
        kind = cast("type[VsphereCloneNodeDriver]", get_driver("vsphere_clone"))
        return kind(self.username, self.password, **{**connection, **kwargs})

    def _adopt(self, record: LabRecord) -> None:
        self._record = record
        for name, value in record.connection().items():
            setattr(self, name, value)
        self.guests_unavailable = record.guests_unavailable
        self._control = LabControl(self.control_url, self.control_token)


def _stop_own(record: LabRecord) -> None:
    # A forked child inherits the exit hook, not the lab.
    if record.owner and record.owner.pid == os.getpid():
        stop(record)
