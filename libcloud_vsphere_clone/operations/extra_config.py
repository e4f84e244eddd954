"""extraConfig keys written to a VM that is there."""

from __future__ import annotations

from collections.abc import Mapping

from pyVmomi import vim

from ..errors import translated
from ..vcenter.rows import Ref
from ..vcenter.session import Session
from ..vcenter.tasks import wait_task


def write_marks(session: Session, vm: Ref, values: Mapping[str, str], action: str, *, timeout_s: float) -> None:
    """Write extraConfig keys of a VM that is there; an empty value removes one.

    :param action: to stand after "could not".
    :raises VsphereError: it could not be done.
    Source: VirtualMachine.ReconfigVM_Task, ConfigSpec.extraConfig (vSphere Web Services API).
    """
    options = [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]
    with translated(action):
        task = session.managed(*vm).ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options))
    wait_task(session, task, action, timeout_s=timeout_s, kind="ReconfigVM_Task")
