"""The lab's error is one of Libcloud's, says what it was given, and can be copied."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from libcloud.common.types import LibcloudError

import libcloud_vsphere_clone
from libcloud_vsphere_clone import lab
from libcloud_vsphere_clone.lab.errors import LabError


def test_lab_error_is_public_and_libclouds() -> None:
    assert libcloud_vsphere_clone.LabError is lab.LabError is LabError
    assert issubclass(LabError, LibcloudError)


def test_lab_error_says_its_message() -> None:
    error = LabError("no Go")
    assert (str(error), repr(error), error.args) == ("no Go", "LabError('no Go')", ("no Go",))


@pytest.mark.parametrize("remake", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])  # noqa: S301
def test_copy_of_a_lab_error_keeps_message_and_notes(remake: Callable[[LabError], LabError]) -> None:
    error = LabError("no Go")
    error.add_note("install Go")
    again = remake(error)
    assert type(again) is LabError
    assert (str(again), again.args, again.__notes__) == ("no Go", ("no Go",), ["install Go"])
