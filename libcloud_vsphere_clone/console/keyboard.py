"""A VM's console, typed on through vCenter: key events in, nothing back but how many were taken.

No network into the guest and no tools in it are needed; what the guest makes of it cannot be seen.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim, vmodl

from ..errors import InvalidRequestError, TaskError, TaskTimeoutError, VsphereError, translated
from ..vcenter.rows import Ref
from ..vcenter.session import Session
from .keystrokes import KeyStroke, Pause, released_by
from .layouts import PLAIN, Modifier

__all__ = ["Console", "TypingSpeed"]

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 2.0
RELEASE_TRIES = 5

_FLAGS = {
    Modifier.LEFT_CONTROL: "leftControl",
    Modifier.LEFT_SHIFT: "leftShift",
    Modifier.LEFT_ALT: "leftAlt",
    Modifier.LEFT_GUI: "leftGui",
    Modifier.RIGHT_CONTROL: "rightControl",
    Modifier.RIGHT_SHIFT: "rightShift",
    Modifier.RIGHT_ALT: "rightAlt",
    Modifier.RIGHT_GUI: "rightGui",
}


@dataclass(frozen=True)
class TypingSpeed:
    """How fast to type. A key that the guest has no room for is lost, and no call says so.

    The defaults give 80 keys a second. A PC's firmware, which boot prompts read from, keeps 15 keys that are
    not read yet; users of other tools that send a long text in one call report just that: 15 characters arrive, then
    some are missing. So a call has about half of them, and the guest has time to read them before the next. One key per
    call is the most careful, and what Packer does, with the same pause.

    :param keys_per_call: key events in one call.
    :param pause_s: seconds between two calls; doubled, up to 2, each time that the console takes nothing.
    :param patience_s: seconds after which a console that takes nothing is given up.
    """

    keys_per_call: int = 8
    pause_s: float = 0.1
    patience_s: float = 15.0

    def __post_init__(self) -> None:
        if self.keys_per_call < 1 or self.pause_s < 0 or self.patience_s < 0:
            raise InvalidRequestError("the pace of typing: at least 1 key per call, and no negative seconds")

    def seconds(self, keys: int) -> float:
        """About how long so many keys take."""
        return math.ceil(keys / self.keys_per_call) * self.pause_s


class Console:
    """One VM's console. For one thread.

    :param name: what to call the VM in errors.
    """

    def __init__(self, session: Session, vm: Ref, name: str, pace: TypingSpeed) -> None:
        self.name = name
        self.pace = pace
        self._api_version = session.api_version
        self._vm = session.managed(*vm)
        self._held = PLAIN
        self._ready_at = 0.0

    def type(self, events: Sequence[KeyStroke | Pause], *, timeout_s: float | None = None) -> None:
        """Type the events; modifiers that they hold down are let go of in the end, whatever happens.

        :raises TaskTimeoutError: the time is over; part of it is typed.
        :raises TaskError: the console takes nothing any more, or the VM is not powered on; part of it may be typed.
        :raises NotPermittedError: the user may not type (VirtualMachine.Interact.PutUsbScanCodes).
        :raises InvalidRequestError: this vCenter cannot type.
        Source: VirtualMachine.PutUsbScanCodes (vSphere Web Services API 6.5).
        """
        keys = sum(isinstance(event, KeyStroke) for event in events)
        log.debug("typing %d keys on the console of %s", keys, self.name)
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        try:
            for part in _parts(events):
                if isinstance(part, Pause):
                    self._pause(part.seconds, deadline)
                else:
                    self._type_strokes(part, deadline)
        finally:
            self._release()

    def _type_strokes(self, strokes: Sequence[KeyStroke], deadline: float) -> None:
        begun, pause_s, done = time.monotonic(), self.pace.pause_s, 0
        while done < len(strokes):
            self._pause(self._ready_at - time.monotonic(), deadline)
            sent = strokes[done : done + self.pace.keys_per_call]
            taken = self._put(sent)
            done += taken
            if taken:
                begun, pause_s = time.monotonic(), self.pace.pause_s
            elif time.monotonic() - begun >= self.pace.patience_s:
                reason = f"it has taken no key for {self.pace.patience_s:g} s; {done} of {len(strokes)} are typed"
                raise self._failed(reason)
            else:
                pause_s = min(max(pause_s, 0.01) * 2, LONGEST_PAUSE_S)
            self._ready_at = time.monotonic() + pause_s

    def _put(self, strokes: Sequence[KeyStroke]) -> int:
        """Send the strokes; how many the console took, the first ones. Never sent twice, should the answer be lost."""
        before = self._held
        # Until the answer is there, any of them may have been typed.
        self._held = before | _held_after(PLAIN, [stroke for stroke in strokes if stroke.modifier in stroke.modifiers])
        spec = vim.vm.UsbScanCodeSpec(keyEvents=[_to_event(stroke) for stroke in strokes])
        try:
            with translated(f"type on the console of {self.name}"):
                taken = min(max(int(self._vm.PutUsbScanCodes(spec) or 0), 0), len(strokes))
        except VsphereError as error:
            raise self._explained(error) from error.__cause__
        self._held = _held_after(before, strokes[:taken])
        return taken

    def _explained(self, error: VsphereError) -> VsphereError:
        if isinstance(error.fault, vmodl.fault.MethodNotFound):
            return InvalidRequestError(
                f"could not type on the console of {self.name}: vCenter can since vSphere 6.5, and this one speaks API "
                f"{self._api_version}",
                fault=error.fault,
            )
        if isinstance(error.fault, vim.fault.InvalidPowerState):
            return self._failed(f"it is {error.fault.existingState or 'not powered on'}; start it first", error.fault)
        return error

    def _release(self) -> None:
        """Let go of the modifiers; its own failure is only logged, so that it hides no other."""
        left = list(released_by(self._held))
        try:
            for _ in range(RELEASE_TRIES):
                if not left:
                    break
                left = left[self._put(left) :]
                time.sleep(self.pace.pause_s if left else 0)
        except VsphereError as failure:
            log.warning("modifier keys may be held down on the console of %s: %s", self.name, failure)
        self._held = PLAIN

    def _pause(self, seconds: float, deadline: float) -> None:
        """Sleep.

        :raises TaskTimeoutError: the deadline is before its end.
        """
        left_s = deadline - time.monotonic()
        time.sleep(max(0.0, min(seconds, left_s)))
        if seconds > left_s or left_s <= 0:
            raise TaskTimeoutError(
                f"could not type all on the console of {self.name} in time", action="type", target=self.name
            )

    def _failed(self, reason: str, fault: object = None) -> TaskError:
        message = f"could not type on the console of {self.name}: {reason}"
        return TaskError(message, action="type", target=self.name, fault=fault)


def _parts(events: Sequence[KeyStroke | Pause]) -> Iterator[list[KeyStroke] | Pause]:
    """The strokes between the waits, and the waits."""
    strokes: list[KeyStroke] = []
    for event in events:
        if isinstance(event, KeyStroke):
            strokes.append(event)
            continue
        yield strokes
        yield event
        strokes = []
    yield strokes


def _held_after(held: Modifier, strokes: Sequence[KeyStroke]) -> Modifier:
    """What is held down after these strokes."""
    for stroke in strokes:
        key = stroke.modifier
        held = held | key if key & stroke.modifiers else held & ~key
    return held


def _to_event(stroke: KeyStroke) -> Any:
    flags = {name: True for modifier, name in _FLAGS.items() if modifier in stroke.modifiers}
    # Of a key without modifiers they are all told to be up: unset, they could stay as they are.
    modifiers = vim.vm.UsbScanCodeSpec.ModifierType(**{**dict.fromkeys(_FLAGS.values(), False), **flags})
    return vim.vm.UsbScanCodeSpec.KeyEvent(usbHidCode=stroke.usb_hid_code, modifiers=modifiers)
