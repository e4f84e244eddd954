"""What is written down about each lab, in a folder of its own that only its user may read.

Takes a name, gives a LabRecord. Never starts or ends a process.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .engine import Engine
from .errors import LabError
from .identity import ProcessIdentity
from .places import labs_directory, write_private

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class LabOptions:
    """The settings of a lab.

    :param vms: plain simulated VMs, as inventory load.
    :param guests: whether templates carry containers.
    :param esxi: a bare host instead of a vCenter.
    :param port: 0 is any free one.
    :param api_version: None is the program's own default.
    """

    vms: int = 0
    guests: bool = True
    esxi: bool = False
    port: int = 0
    api_version: str | None = None


@dataclass(frozen=True)
class LabRecord:
    """A lab that was launched.

    :param lab_id: the value of the label on its containers.
    :param process: the program; None until it was started.
    :param owner: the process whose end is the lab's end too; None for a lab that stays.
    :param engine: what runs its guests; None without guests.
    :param guests_unavailable: why its templates have no guests; None if they have.
    """

    name: str
    lab_id: str
    options: LabOptions
    password: str = field(repr=False)
    control_token: str = field(repr=False)
    owner: ProcessIdentity | None = None
    process: ProcessIdentity | None = None
    engine: Engine | None = None
    guests_unavailable: str | None = None

    @property
    def directory(self) -> Path:
        return lab_directory(self.name)

    @property
    def log_file(self) -> Path:
        return self.directory / "log"

    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running()

    def is_abandoned(self) -> bool:
        """Whether its owner, which would stop it, has ended."""
        return self.owner is not None and not self.owner.is_running()

    def connection(self) -> dict[str, Any]:
        """How to connect, as in ``lab start --json``; empty before it is ready."""
        try:
            ready = json.loads((self.directory / "ready.json").read_text())
        except FileNotFoundError:
            return {}
        return {
            "host": ready["host"],
            "port": ready["port"],
            "username": ready["username"],
            "password": self.password,
            "ca_cert": ready["ca_cert"],
            "datacenter": ready["datacenter"],
            "control_url": ready["control_url"],
            "control_token": self.control_token,
            "pid": ready["pid"],
        }


def lab_directory(name: str) -> Path:
    """The lab's own folder, whether or not it is there.

    :raises LabError: the name can't be a folder's.
    """
    if not NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name for a lab: use lower-case letters, digits, '-', '_' and '.'")
    return labs_directory() / name


def save_record(record: LabRecord) -> None:
    write_private(record.directory / "lab.json", json.dumps(asdict(record), indent=1))


def load_record(name: str) -> LabRecord | None:
    """What is written down; None if nothing is, or nothing that can be read."""
    try:
        data = json.loads((lab_directory(name) / "lab.json").read_text())
        engine, process, owner = data.pop("engine"), data.pop("process"), data.pop("owner")
        record = LabRecord(**{**data, "options": LabOptions(**data["options"])})
        return replace(
            record,
            engine=Engine(**engine) if engine else None,
            process=ProcessIdentity(**process) if process else None,
            owner=ProcessIdentity(**owner) if owner else None,
        )
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def find_lab(name: str) -> LabRecord | None:
    """The lab of that name if it runs, else None."""
    record = load_record(name)
    return record if record and record.is_running() else None


def get_lab(name: str) -> LabRecord:
    """The lab of that name.

    :raises LabError: none of that name runs.
    """
    record = find_lab(name)
    if record is None:
        raise LabError(f"no lab named {name!r} runs; start it with: vsphere-clone lab start --name {name}")
    return record


def recorded_names() -> list[str]:
    """The names of all labs that left a folder, running or dead."""
    return sorted(path.name for path in labs_directory().iterdir() if path.is_dir() and NAME.fullmatch(path.name))
