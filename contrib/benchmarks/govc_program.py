"""govc, built from the Go module proxy into the user's cache: go.mod and go.sum in ``govc`` say exactly what.

v0.46.0 is the newest that builds as a dependency: later ones have a ``replace`` in their go.mod.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from platformdirs import user_cache_path

from libcloud_vsphere_clone.lab import LabError
from libcloud_vsphere_clone.lab.build import find_go

SOURCES = Path(__file__).parent / "govc"
BUILD_TIMEOUT_S = 900


def ensure_govc() -> str | None:
    """The program's name; None, and a note, where there is no Go or no way to the module proxy."""
    wanted = hashlib.sha256((SOURCES / "go.sum").read_bytes()).hexdigest()[:16]
    program = user_cache_path("libcloud-vsphere-clone", ensure_exists=True) / f"govc-{wanted}"
    if program.exists():
        return str(program)
    try:
        go = find_go()
        print(f"building govc with {go}, once", flush=True)
        _build(go.command, program)
    except (LabError, subprocess.SubprocessError) as cause:
        print(f"no govc in this run: {cause}")
        return None
    return str(program)


def _build(go: str, program: Path) -> None:
    draft = program.with_name(f".{program.name}.{os.getpid()}")
    fixed = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(draft)]
    try:
        subprocess.run(
            [*command, "github.com/vmware/govmomi/govc"],
            cwd=SOURCES,
            env={**os.environ, **fixed},
            check=True,
            timeout=BUILD_TIMEOUT_S,
        )
        draft.replace(program)
    finally:
        draft.unlink(missing_ok=True)
