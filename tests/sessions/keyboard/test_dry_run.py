"""``guest/rehearsal.py``: what stands against typing a deployment, before anything is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from libcloud.compute.deployment import Deployment, FileDeployment, MultiStepDeployment, ScriptDeployment

from libcloud_vsphere_clone.console.keyboard import TypingSpeed
from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.keyboard.dry_run import dry_run


def test_the_time_it_takes() -> None:
    script = ScriptDeployment("#!/bin/sh\ntrue\n", name="s.sh")
    keys = len(" : > ~/s.sh\n chmod 755 ~/s.sh\n echo IyEvYmluL3NoCnRydWUK | base64 -d >> ~/s.sh\n~/s.sh\n")
    assert dry_run(script, pace=TypingSpeed(keys_per_call=1, pause_s=1)) == pytest.approx(keys)
    assert script.exit_status is None


def test_what_stands_against_it(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(70_000))
    good = ScriptDeployment("true")
    for step, said in (
        (FileDeployment(str(large), "large"), "large: 70000 bytes are too many to type"),
        (ScriptDeployment("true", args=["\u00fc"]), "no key for '\u00fc'"),
        (Deployment(), "Deployment cannot run over 'keyboard'"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            dry_run(MultiStepDeployment([good, step]))
        assert said in str(caught.value)
    with pytest.raises(FileNotFoundError):
        dry_run(FileDeployment(str(tmp_path / "none"), "x"))
