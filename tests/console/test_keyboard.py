"""``guest/console.py``: what reaches the console, however little it takes at once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from libcloud.compute.base import Node

from libcloud_vsphere_clone.console.keystrokes import parse_text
from libcloud_vsphere_clone.console.layouts import LAYOUTS
from libcloud_vsphere_clone.errors import (
    ConnectionFailedError,
    InvalidRequestError,
    NotPermittedError,
    TaskError,
    TaskTimeoutError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.keyboard.client import KeyboardClient, TypingSpeed

Keyboard = Callable[..., KeyboardClient]

TEXT = "".join(chr(code) for code in range(0x20, 0x7F)) * 3


def calls(lab: Lab) -> int:
    return lab.calls().by_method.get("PutUsbScanCodes", 0)


def test_a_call_has_few_keys(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    bare_lab.reset_calls()
    keyboard(pace=TypingSpeed(keys_per_call=10, pause_s=0)).type("x" * 95)
    assert (bare_lab.typed(console_node), calls(bare_lab)) == ("x" * 95, 10)


def test_calls_are_a_pause_apart(keyboard: Keyboard) -> None:
    typing, begun = keyboard(pace=TypingSpeed(keys_per_call=2, pause_s=0.05)), time.monotonic()
    typing.type("abc")
    typing.type("d")
    assert time.monotonic() - begun >= 2 * 0.05
    assert TypingSpeed().seconds(800) == pytest.approx(10)


@pytest.mark.parametrize("accepts", [[1], [3], [7, 0, 2], [8, 8, 0]])
def test_what_was_not_taken_is_sent_again(
    keyboard: Keyboard, bare_lab: Lab, console_node: Node, accepts: list[int]
) -> None:
    bare_lab.control.limit_typing(console_node, accepts)
    text = TEXT[: 8 * max(accepts)]
    keyboard().type_keys(f"{text.replace('<', '[')}<enter><leftCtrlOn>abc<leftCtrlOff>d")
    assert bare_lab.typed(console_node) == f"{text.replace('<', '[')}<enter><leftCtrlOn>abc<leftCtrlOff>d"


def test_a_console_that_takes_nothing_is_given_up(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    bare_lab.control.limit_typing(console_node, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(TaskError, match=r"console of 'web-1': it has taken no key for 0.1 s; 3 of 6 are typed"):
        keyboard(pace=TypingSpeed(pause_s=0.01, patience_s=0.1)).type("secret")
    assert bare_lab.typed(console_node) == "sec"


def test_modifiers_are_held_across_calls_and_let_go_of(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    keyboard(pace=TypingSpeed(keys_per_call=2, pause_s=0)).type_keys("<leftCtrlOn><leftAltOn>abcde")
    assert bare_lab.typed(console_node) == "<leftCtrlOn><leftAltOn>abcde<leftCtrlOff><leftAltOff>"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_interrupted_typing_lets_go_of_modifiers(
    keyboard: Keyboard, bare_lab: Lab, console_node: Node, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        if seconds > 1:
            raise kind

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(kind):
        keyboard().type_keys("<leftCtrlOn>ab<wait5>c<leftCtrlOff>")
    assert bare_lab.typed(console_node) == "<leftCtrlOn>ab<leftCtrlOff>"


def test_a_lost_answer_is_not_typed_again(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    """The modifier is let go of all the same: it may be down."""
    bare_lab.faults.add("PutUsbScanCodes", when="reset-after")
    with pytest.raises(ConnectionFailedError, match="type on the console of 'web-1'"):
        keyboard().type_keys("<leftCtrlOn>abc")
    assert bare_lab.typed(console_node) == "<leftCtrlOn>abc<leftCtrlOff>"


def test_typing_that_takes_too_long_is_a_time_out(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    slow = keyboard(pace=TypingSpeed(keys_per_call=1, pause_s=0.2))
    with pytest.raises(TaskTimeoutError, match="could not type all on the console of 'web-1' in time"):
        slow._console.type(parse_text("x" * 1000, LAYOUTS["us"]), timeout_s=0.7)
    assert 0 < len(bare_lab.typed(console_node)) < 10


def test_what_vcenter_refuses_to_type_says_why(keyboard: Keyboard, bare_lab: Lab) -> None:
    bare_lab.faults.add(
        "PutUsbScanCodes", fault="NoPermission", fields={"privilegeId": "VirtualMachine.Interact.PutUsbScanCodes"}
    )
    with pytest.raises(NotPermittedError) as caught:
        keyboard().type("hunter2")
    assert caught.value.privilege == "VirtualMachine.Interact.PutUsbScanCodes"
    bare_lab.faults.add("PutUsbScanCodes", fault="InvalidPowerState", fields={"existingState": "suspended"})
    with pytest.raises(TaskError, match="'web-1': it is suspended; start it first"):
        keyboard().type("hunter2")
    bare_lab.faults.add("PutUsbScanCodes", fault="MethodNotFound", fields={"method": "PutUsbScanCodes"})
    with pytest.raises(InvalidRequestError, match=r"vCenter can since vSphere 6.5, and this one speaks API 8"):
        keyboard().type("hunter2")


@pytest.mark.parametrize("words", [{"keys_per_call": 0}, {"pause_s": -1}, {"patience_s": -1}])
def test_a_pace_that_cannot_be_is_refused(words: dict[str, float]) -> None:
    with pytest.raises(InvalidRequestError):
        TypingSpeed(**words)  # type: ignore[arg-type]
