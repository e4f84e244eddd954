from __future__ import annotations

import os
from pathlib import Path

import pytest

from libcloud_vsphere_clone.lab import LabError
from libcloud_vsphere_clone.lab.engine import Engine
from libcloud_vsphere_clone.lab.identity import identity_of
from libcloud_vsphere_clone.lab.record import (
    LabOptions,
    LabRecord,
    lab_directory,
    load_record,
    recorded_names,
    save_record,
)

pytestmark = pytest.mark.usefixtures("private_state")


def a_record() -> LabRecord:
    me = identity_of(os.getpid())
    return LabRecord(
        name="one",
        lab_id="one-1",
        options=LabOptions(vms=3, api_version="7.0.3.0"),
        password="sesame",
        control_token="token",
        owner=me,
        process=me,
        engine=Engine("podman", "/usr/bin/podman", {"CONTAINERS_CONF": "/x"}),
        guests_unavailable="why not",
    )


def test_what_is_saved_is_loaded() -> None:
    record = a_record()
    record.directory.mkdir()
    save_record(record)
    assert load_record("one") == record
    assert recorded_names() == ["one"]


def test_only_its_user_may_read_it() -> None:
    record = a_record()
    record.directory.mkdir(mode=0o700)
    save_record(record)
    assert (record.directory / "lab.json").stat().st_mode & 0o777 == 0o600
    assert record.directory.parent.stat().st_mode & 0o777 == 0o700


def test_secrets_are_not_shown() -> None:
    assert "sesame" not in repr(a_record())


@pytest.mark.parametrize("text", ["", "{", "{}", '{"name": "one", "options": 7}'])
def test_an_unreadable_record_is_none(text: str) -> None:
    lab_directory("one").mkdir()
    (lab_directory("one") / "lab.json").write_text(text)
    assert load_record("one") is None


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "-x", "x" * 64])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="no name for a lab"):
        lab_directory(name)


def test_a_lab_that_is_not_ready_has_no_connection(private_state: Path) -> None:
    assert a_record().connection() == {}
