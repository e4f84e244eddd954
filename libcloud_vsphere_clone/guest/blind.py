"""Which deployments a transport can carry that brings no answer back: a deployment in, an error or nothing out."""

from __future__ import annotations

from collections.abc import Iterator

from libcloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)

from ..errors import InvalidRequestError

__all__ = ["check_blind"]

BLIND_STEPS = (ScriptDeployment, ScriptFileDeployment, FileDeployment, SSHKeyDeployment)
"""What only sends. A subclass may read what a command printed, so these classes exactly."""


def check_blind(deployment: Deployment, *, transport: str = "keyboard") -> None:
    """Refuses deployments that may need an answer from the guest.

    :raises InvalidRequestError: it is, or has a step that is, none of Libcloud's own script, file and key steps.
    """
    for step in _steps(deployment):
        if type(step) not in BLIND_STEPS:
            known = ", ".join(kind.__name__ for kind in BLIND_STEPS)
            raise InvalidRequestError(
                f"the transport {transport!r} brings no answer from the guest, and {type(step).__name__} may need one: "
                f"it carries {known} and MultiStepDeployment of them, not their subclasses; use another transport"
            )


def _steps(deployment: Deployment) -> Iterator[Deployment]:
    if type(deployment) is MultiStepDeployment:
        for step in deployment.steps:
            yield from _steps(step)
    else:
        yield deployment
