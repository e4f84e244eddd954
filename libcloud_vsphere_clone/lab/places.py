"""Where the lab keeps things: the user's cache for what can be built again, the user's state for running labs.

Both follow the platform's rules (on Linux ``XDG_CACHE_HOME`` and ``XDG_STATE_HOME``). Never deletes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

APPLICATION = "libcloud-vsphere-clone"


def cache_directory() -> Path:
    """The folder of built programs; made if needed."""
    return _made(Path(platformdirs.user_cache_dir(APPLICATION, appauthor=False)) / "lab")


def labs_directory() -> Path:
    """The folder with one folder per lab, which no other user may read; made if needed."""
    return _made(Path(platformdirs.user_state_dir(APPLICATION, appauthor=False)) / "labs")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the named lock, which one process of this user has at a time."""
    import fcntl  # not on Windows, where the rest of the command line works

    path = labs_directory().parent / f"{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_private(path: Path, text: str) -> None:
    """Write the file whole or not at all, readable for this user only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    draft.replace(path)


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
