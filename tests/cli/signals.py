"""Signals for a running command, sent when it has come to a step."""

from __future__ import annotations

import signal
import subprocess


def interrupt_at(process: subprocess.Popen[str], step: str, sign: signal.Signals = signal.SIGINT) -> None:
    """Sends the signal when the process has told that it is at the step."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith(step):
            process.send_signal(sign)
            return
    raise AssertionError(f"it never came to {step!r}")
