"""The detached program behind each lab: launch it, find it, stop it, clear away what died.

Takes a name and options, gives a LabRecord. A lab is known by its folder, never by a search for processes.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .build import Progress, ensure_program
from .control import LabControl
from .engine import find_engine
from .errors import LabError
from .guest_image import GuestImages, ensure_guest_images, remove_guest_images
from .identity import ProcessIdentity, identity_of
from .places import cache_directory, locked
from .record import LabOptions, LabRecord, find_lab, lab_directory, load_record, recorded_names, save_record
from .remains import LABEL, remove_remains

log = logging.getLogger(__name__)

USERNAME = "administrator@vsphere.local"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
SECONDS_PER_VM = 0.2
"""Five times what the simulator takes to make one."""


def launch(
    name: str, options: LabOptions, *, owner: ProcessIdentity | None = None, on_progress: Progress = log.info
) -> LabRecord:
    """Build what a lab needs and start it; returns its record once it answers.

    :param owner: the process with which the lab ends; None lets it stay until it is stopped.
    :raises LabError: a lab of that name runs, or it could not be built or started.
    """
    lab_directory(name)  # refuses a bad name before minutes go into a build
    with ThreadPoolExecutor(1) as pool:  # the program's build hides behind that of the guests
        building = pool.submit(ensure_program, on_progress)
        with suppress(TimeoutError):  # that Go is missing should not be said after minutes
            building.result(timeout=1)
        images, guests_unavailable = _prepare_guests(options, on_progress)
        program = building.result()
    with locked("labs"):
        _clear_dead_labs()
        record = _new_record(name, options, owner, images, guests_unavailable)
        on_progress("starting the lab")
        record = replace(record, process=_spawn(program, record, images))
        save_record(record)
    try:
        wait_until_ready(record)
    except BaseException:
        stop(record)
        raise
    return record


def list_labs() -> list[LabRecord]:
    """All labs that run."""
    found = (find_lab(name) for name in recorded_names())
    return [record for record in found if record]


def stop(record: LabRecord) -> None:
    """End the lab, and remove its containers and its folder; a lab that is gone is fine."""
    _end(record)
    with locked("labs"):
        _remove_remains(record)


def clear_dead_labs() -> list[str]:
    """Remove what labs have left that died or lost their owner; returns their names."""
    with locked("labs"):
        return _clear_dead_labs()


def wait_until_ready(record: LabRecord) -> None:
    """Wait until the lab answers.

    :raises LabError: it ended, or the deadline passed; with what it logged last.
    """
    deadline = time.monotonic() + START_TIMEOUT_S + record.options.vms * SECONDS_PER_VM
    ready = record.directory / "ready.json"
    while not ready.exists():
        if not record.is_running():
            raise LabError(f"the lab ended while it started: {log_tail(record)}")
        if time.monotonic() > deadline:
            raise LabError(f"the lab was not ready in time: {log_tail(record)}")
        time.sleep(0.02)
    details = json.loads(ready.read_text())
    LabControl(details["control_url"], record.control_token).check_health()


def log_tail(record: LabRecord) -> str:
    """The last lines of the log of the lab's program, in one line."""
    try:
        lines = record.log_file.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return " / ".join(lines[-5:]) or "it logged nothing"


def clear_cache() -> list[str]:
    """Remove the built programs and, where an engine runs, the guest images; returns their names.

    :raises LabError: a lab runs, and still needs it.
    """
    if labs := list_labs():
        raise LabError(f"labs run from the cache: {', '.join(record.name for record in labs)}; stop them first")
    removed = [path.name for path in cache_directory().iterdir()]
    shutil.rmtree(cache_directory())
    try:
        removed += remove_guest_images(find_engine())
    except LabError as error:
        log.info("no guest images removed: %s", error)
    return removed


def _clear_dead_labs() -> list[str]:
    cleared = []
    for name in recorded_names():
        record = load_record(name)
        if record and record.is_running() and not record.is_abandoned():
            continue
        if record:
            _end(record)
            _remove_remains(record)
        else:
            shutil.rmtree(lab_directory(name), ignore_errors=True)
        cleared.append(name)
    return cleared


def _prepare_guests(options: LabOptions, on_progress: Progress) -> tuple[GuestImages | None, str | None]:
    if not options.guests:
        return None, "guests are switched off for this lab"
    if options.esxi:
        return None, "a bare ESXi host has no templates"
    try:
        return ensure_guest_images(find_engine(), on_progress), None
    except LabError as error:
        on_progress(f"no guests: {error}")
        return None, str(error)


def _new_record(
    name: str,
    options: LabOptions,
    owner: ProcessIdentity | None,
    images: GuestImages | None,
    guests_unavailable: str | None,
) -> LabRecord:
    record = LabRecord(
        name=name,
        lab_id=f"{name}-{secrets.token_hex(4)}",
        options=options,
        password=secrets.token_urlsafe(16),
        control_token=secrets.token_urlsafe(32),
        owner=owner,
        engine=images.engine if images else None,
        guests_unavailable=guests_unavailable,
    )
    try:
        record.directory.mkdir(mode=0o700)
    except FileExistsError:
        raise LabError(f"a lab named {name!r} runs already; stop it, or give this one another name") from None
    save_record(record)
    return record


def _spawn(program: Path, record: LabRecord, images: GuestImages | None) -> ProcessIdentity:
    arguments = [str(program), *_flags(record, images)]
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        program,
        arguments,
        _environment(record),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(record.log_file), log_flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # a Ctrl-C at our terminal is not for it
    )
    return identity_of(pid)


def _flags(record: LabRecord, images: GuestImages | None) -> list[str]:
    options = record.options
    flags = [
        f"--listen=127.0.0.1:{options.port}",
        f"--state-dir={record.directory}",
        f"--lab-id={record.lab_id}",
        f"--vms={options.vms}",
        f"--esxi={str(options.esxi).lower()}",
        f"--guests={str(images is not None).lower()}",
    ]
    if options.api_version:
        flags.append(f"--api-version={options.api_version}")
    if images:
        flags += [f"--guest-image={images.cloud_init}", f"--static-image={images.static}"]
        flags += [f"--engine={images.engine.command}", f"--podman={str(images.engine.kind == 'podman').lower()}"]
    return flags


def _environment(record: LabRecord) -> dict[str, str]:
    environment = {
        **os.environ,
        "LAB_USERNAME": USERNAME,
        "LAB_PASSWORD": record.password,
        "LAB_CONTROL_TOKEN": record.control_token,
        "LAB_ID": record.lab_id,
    }
    if record.engine:
        environment.update(record.engine.environment)
    return environment


def _end(record: LabRecord) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not (record.process and record.is_running()):
            return
        os.kill(record.process.pid, sign)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while record.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)


def _remove_remains(record: LabRecord) -> None:
    if record.engine:
        try:
            remove_remains(record.engine, record.lab_id)
        except (LabError, OSError, subprocess.TimeoutExpired) as error:
            log.warning("containers of lab %r may remain (label %s=%s): %s", record.name, LABEL, record.lab_id, error)
    present = load_record(record.name)
    if present is None or present.lab_id == record.lab_id:  # else a later lab has the folder
        shutil.rmtree(record.directory, ignore_errors=True)
