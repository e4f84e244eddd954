"""What a subscription asks for and tells, and what is made of a loss; the rest is seen through those that subscribe."""

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import build_filter_spec, build_object_spec, fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref, Row, Updates
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.subscription import LOST, SUBSCRIPTIONS, Subscription, apply_updates, resubscribing

VM, GONE = Ref("VirtualMachine", "vm-1"), Ref("VirtualMachine", "vm-2")


def test_a_change_replaces_what_it_names_and_an_entry_all() -> None:
    before = Row(VM, {"name": "web", "guest.net": [], "parent": None})
    before.unreadable = frozenset({"config.template", "marks"})
    rows = {VM: before, GONE: Row(GONE)}
    change = Row(VM, {"guest.net": None, "config.template": False})
    apply_updates(Updates("1", [change], [GONE], False), rows)
    assert rows == {VM: {"name": "web", "config.template": False}}
    assert rows[VM].unreadable == {"marks"}
    assert before["guest.net"] == []
    apply_updates(Updates("2", [Row(VM, {"name": "db"})], [], False, frozenset({VM})), rows)
    assert rows == {VM: {"name": "db"}}
    assert not rows[VM].unreadable


def test_what_may_not_be_read_any_more_is_unknown_and_not_as_it_was() -> None:
    rows = {VM: Row(VM, {"name": "web", "marks": "old"})}
    change = Row(VM)
    change.unreadable = frozenset({"marks"})
    apply_updates(Updates("1", [change], [], False), rows)
    assert rows == {VM: {"name": "web"}}
    assert rows[VM].unreadable == {"marks"}
    apply_updates(Updates("2", [Row(VM, {"marks": "new"})], [], False), rows)
    assert rows == {VM: {"name": "web", "marks": "new"}}
    assert not rows[VM].unreadable


def test_what_comes_and_goes_across_pages_is_as_the_last_page_says() -> None:
    rows: dict[Ref, Row] = {}
    pages = [
        Updates("1", [Row(VM, {"name": "a"}), Row(GONE, {"name": "b"})], [], True, frozenset({VM, GONE})),
        Updates("2", [], [GONE, VM], True),
        Updates("3", [Row(VM, {"name": "c"})], [], False, frozenset({VM})),
    ]
    for page in pages:
        apply_updates(page, rows)
    assert rows == {VM: {"name": "c"}}


@pytest.mark.parametrize(
    "loss",
    [
        *(vmodl.fault.ManagedObjectNotFound(), vmodl.query.InvalidCollectorVersion()),
        *(ConnectionResetError(), ssl.SSLEOFError()),
    ],
)
def test_a_loss_is_made_good_and_a_lasting_one_is_told(loss: Exception) -> None:
    losses = [loss] * (SUBSCRIPTIONS - 1)

    def advance() -> str:
        if losses:
            raise losses.pop()
        return "told"

    assert isinstance(loss, LOST)
    assert resubscribing(advance, "a test") == "told"
    losses += [loss] * SUBSCRIPTIONS
    with pytest.raises(type(loss)):
        resubscribing(advance, "a test")
    assert not losses


@pytest.mark.parametrize(
    "cause", [vim.fault.NoPermission(), TimeoutError(), ssl.SSLCertVerificationError("no"), KeyboardInterrupt()]
)
def test_what_is_no_loss_or_does_not_pass_is_told_at_once(cause: BaseException) -> None:
    causes = [cause]

    def advance() -> str:
        if causes:
            raise causes.pop()
        return "told"

    with pytest.raises(type(cause)):
        resubscribing(advance, "a test")


@pytest.fixture
def sent(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests as they leave, without the version in their tags."""
    bodies: list[str] = []
    exchange = session.stub._exchange

    def note(method: str, body: bytes, *how: Any) -> Any:
        bodies.append(body.decode().replace(' versionId="8.0.3.0"', ""))
        return exchange(method, body, *how)

    monkeypatch.setattr(session.stub, "_exchange", note)
    return bodies


@pytest.fixture
def vm(session: Session) -> Ref:
    """A foreign VM."""
    rows = fetch_rows(session, {"VirtualMachine": ("name",)})
    return next(ref for ref, row in rows.items() if row["name"] == "legacy-db")


def subscribed(session: Session, vm: Ref, path: str) -> Subscription:
    subscription = Subscription(session.stub, session.content.propertyCollector)
    subscription.add(build_filter_spec(session, {"VirtualMachine": (path,)}, [build_object_spec(session, vm)]))
    return subscription


def test_changes_are_asked_for_whole(session: Session, vm: Ref, sent: list[str]) -> None:
    """Partial updates would name ``guest.net[0].ipAddress`` on a real vCenter. The simulator ignores them."""
    subscription = subscribed(session, vm, "guest.net")
    subscription.close()
    (request,) = [body for body in sent if "<CreateFilter" in body]
    assert "<partialUpdates>false</partialUpdates>" in request


@pytest.mark.parametrize(("wait_s", "expected"), [(99.0, 20), (9.9, 10), (0.2, 1), (0.0, 0), (-1.0, 0)])
def test_the_server_may_hold_its_answer_for_a_while_but_not_the_first(
    calm_lab: Lab, session: Session, vm: Ref, sent: list[str], wait_s: float, expected: int
) -> None:
    subscription = subscribed(session, vm, "guest.toolsRunningStatus")
    list(subscription.read(99))
    calm_lab.control.change_vm(vm.moid, {"guest.toolsRunningStatus": "guestToolsExecutingScripts"})
    (updates,) = subscription.read(wait_s)
    calm_lab.control.change_vm(vm.moid, {"guest.toolsRunningStatus": "guestToolsNotRunning"})
    subscription.close()
    assert updates.changed == [{"guest.toolsRunningStatus": "guestToolsExecutingScripts"}]
    waits = [body for body in sent if "<WaitForUpdatesEx" in body]
    assert [re.findall("<maxWaitSeconds>(.*)</maxWaitSeconds>", body) for body in waits] == [["0"], [str(expected)]]
