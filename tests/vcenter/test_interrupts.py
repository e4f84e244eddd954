"""Ctrl-C at any call of whatever waits and follows: nothing is left on the server, and nothing is locked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.session import Session

from .conftest import BY_HAND
from .test_expiry import Work, cancelling, failing, mirroring, watching, working

UNKNOWABLE = {
    "before": {"DestroyPropertyCollector", "DestroyView"},
    "during": {"CreatePropertyCollector", "CreateListView"},
}


@pytest.mark.parametrize("begins", ["anew", "with what is kept"])
@pytest.mark.parametrize("moment", ["before", "during"])
@pytest.mark.parametrize("work", [mirroring, watching, working, failing, cancelling])
def test_an_interrupt_at_any_call_leaves_nothing(
    calm_lab: Lab,
    session: Session,
    new_task: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    work: Work,
    moment: str,
    begins: str,
) -> None:
    """But of what the interrupted call itself was to make or to remove nothing is known."""
    reply, at = session.stub._reply, -1
    methods: list[str] = []

    @contextmanager
    def interrupting(method: str, *how: Any) -> Iterator[Any]:
        is_hit = method not in BY_HAND and len(methods) + 1 == at
        methods.extend([method] if method not in BY_HAND else [])
        if is_hit and moment == "before":
            raise KeyboardInterrupt
        with reply(method, *how) as response:
            if is_hit:
                raise KeyboardInterrupt
            yield response

    monkeypatch.setattr(session.stub, "_reply", interrupting)
    expected = work(session, new_task)
    for number in range(1, len(methods) + 1):
        if begins == "anew":
            calm_lab.expire_sessions()
            session.check_alive()
        methods.clear()
        at = number
        with suppress(KeyboardInterrupt):
            work(session, new_task)
            assert len(methods) < at, "an interrupt was swallowed"  # what is kept of an earlier round spares calls
            at = -1
            break
        left, after_hit = calm_lab.control.leftovers(), methods[at - 1 :]
        if not UNKNOWABLE[moment].intersection(after_hit[:1]):
            assert (left.collectors, left.filters) == (0, 0), f"interrupted at call {at}, then {after_hit}"
        at = -1
        calm_lab.expire_sessions()
        assert work(session, new_task) == expected
