"""Why a task gave no result: what is known of it in, an error of our tree out."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from ..errors import TaskError, TaskTimeoutError, error_from
from .properties import build_object_spec, fetch_row
from .rows import TYPE_KEY, Ref, Row
from .session import Session
from .types import to_fault

__all__ = ["fetch_failure", "task_blocked", "task_gone", "task_overdue"]


def task_gone(action: str) -> TaskError:
    """The error of a task that vCenter has forgotten."""
    return TaskError(f"could not {action}: vCenter no longer knows its task", action=action)


def task_blocked(action: str, question: Any) -> TaskError:
    """The error of a task whose VM asks something: without an answer it neither fails nor ends."""
    text = question.get("text", "") if isinstance(question, dict) else question
    return TaskError(f"could not {action}: the VM asks {text!r} and waits; answer it in vCenter", action=action)


def task_overdue(action: str, ref: Ref, timeout_s: float) -> TaskTimeoutError:
    """The error of a task that goes on after its deadline."""
    return TaskTimeoutError(
        f"could not {action} within {timeout_s:.0f} s: the task {ref.moid} is still running; wait longer with a "
        "larger time-out, or look at it in vCenter",
        action=action,
    )


def fetch_failure(session: Session, ref: Ref, action: str) -> Exception:
    """The error of a failed task, by its fault. One round trip; another where this pyVmomi cannot read the fault."""
    try:
        fault = _fetch_fault(session, ref)
    except (AttributeError, LookupError, TypeError, ValueError):
        fault = _fetch_unknown_fault(session, ref)
    return error_from(fault, action) or TaskError(f"could not {action}: {fault}", action=action, fault=fault)


def _fetch_fault(session: Session, ref: Ref) -> Any:
    spec = vmodl.query.PropertyCollector.FilterSpec(
        objectSet=[build_object_spec(session, ref)],
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.Task, pathSet=["info.error"])],
    )
    contents = session.content.propertyCollector.RetrieveContents([spec])
    return contents[0].propSet[0].val


def _fetch_unknown_fault(session: Session, ref: Ref) -> Any:
    """A fault with no more than the type and the text of the task's own."""
    row = fetch_row(session, ref, ("info.error",)) or Row(ref)
    error = row.get("info.error") or {}
    kind = (error.get("fault") or {}).get(TYPE_KEY, "MethodFault")
    return to_fault(kind, error.get("localizedMessage") or "the task failed")
