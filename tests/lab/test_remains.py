"""A lab that is killed leaves no container, whatever it was about to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.process import clear_dead_labs
from libcloud_vsphere_clone.lab.record import load_record
from libcloud_vsphere_clone.lab.remains import LABEL, list_commands


@pytest.mark.guests
@pytest.mark.parametrize("verb", ["create", "start"])
def test_a_container_that_is_being_made_goes_too(
    private_state: object, connect: Callable[[Lab], Any], verb: str
) -> None:
    killed = Lab().start()
    record = load_record(killed.name)
    assert record
    assert record.engine
    client = connect(killed)
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(client.clone, "debian-12-static", "left-behind", {})
        while not any(f" {verb} " in line for _, line in list_commands(record.lab_id)):
            assert not making.done()
        os.kill(killed.pid, signal.SIGKILL)
        while record.is_running():
            pass
        assert clear_dead_labs() == [killed.name]
        assert making.exception()
    assert record.engine.check("list", "ps", "-aq", "--filter", f"label={LABEL}={record.lab_id}") == ""
    assert list(list_commands(record.lab_id)) == []
