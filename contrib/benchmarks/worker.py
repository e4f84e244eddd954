"""One peer in a process of its own, so that its seconds and its memory are its alone.

Takes ``{"connect": ...}``, then ``{"prepare": op}`` and ``{"run": op}`` in turn; ``args`` go to both. Only what ``run``
does is measured. An op is a method of the peer; ``prepare_<op>``, if it has one, makes things ready for it.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
from pathlib import Path
from typing import Any

from .children import serve

STATUS = Path("/proc/self/status")


def peak_kib() -> int:
    return _status("VmHWM")


def forget_peak() -> int:
    """The memory in use, which is the peak from now on. Linux only."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))


class Worker:
    def __init__(self, module: str) -> None:
        # Loaded now: a peer that runs other programs has a small module, and so a small process.
        self._kind = importlib.import_module(f".peers.{module}", __package__).PEER
        self._peer: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._answer(request)
        except Exception as error:  # whatever a peer does, the others' rows shall come
            return {"error": f"{type(error).__name__}: {error}"[:300]}

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        args = request.get("args", {})
        if "connect" in request:
            self.close()
            self._peer = self._kind(**request["connect"])
            return {}
        if "prepare" in request:
            prepare = getattr(self._peer, f"prepare_{request['prepare']}", None)
            return {"prepared": prepare(**args) if prepare else None}
        return self._measure(getattr(self._peer, request["run"]), args)

    def _measure(self, op: Any, args: dict[str, Any]) -> dict[str, Any]:
        before_kib = forget_peak()
        begin = time.perf_counter()
        result = op(**args)
        seconds = time.perf_counter() - begin
        # A peer that runs other programs knows their peak.
        grown_kib = self._peer.grown_kib() if hasattr(self._peer, "grown_kib") else peak_kib() - before_kib
        found = len(result) if isinstance(result, list | dict) else result
        return {"seconds": seconds, "peak_bytes": grown_kib * 1024, "found": found}

    def close(self) -> None:
        if self._peer is not None and hasattr(self._peer, "close"):
            self._peer.close()
        self._peer = None


if __name__ == "__main__":
    worker = Worker(sys.argv[1])
    try:
        serve(worker.answer)
    finally:
        worker.close()
