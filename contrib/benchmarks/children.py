"""Programs of the benchmark's own that run beside it, and speak JSON with it: a line to them, a line back."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).absolute().parents[2]

LONGEST_S = 600.0
"""Seconds for one answer: several times what the slowest peer takes for anything that it is asked."""


class Child:
    """``python -m contrib.benchmarks.MODULE ARGUMENTS``, until ``close()`` or the end of the ``with`` block."""

    def __init__(self, module: str, *arguments: str) -> None:
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"contrib.benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, **request: Any) -> Any:
        """The child's answer.

        :raises RuntimeError: it says that it failed, it has ended, or it did not answer in ``LONGEST_S``.
        """
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise RuntimeError("the child has no pipes")
        with suppress(BrokenPipeError):  # it has ended, and so has its output
            to.write(json.dumps(request) + "\n")
            to.flush()
        if not select.select([back], [], [], LONGEST_S)[0]:
            self._process.kill()
            raise RuntimeError(f"no answer in {LONGEST_S:.0f} s")
        line = back.readline()
        if not line:
            raise RuntimeError(f"it ended with exit status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        """Closes its input, at which it ends by itself."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def serve(answer: Callable[[dict[str, Any]], object]) -> None:
    """The child's side: answers each line of standard input, until its end. Whatever else prints goes to stderr."""
    with os.fdopen(os.dup(1), "w") as back:
        os.dup2(2, 1)
        for line in sys.stdin:
            back.write(json.dumps(answer(json.loads(line))) + "\n")
            back.flush()
