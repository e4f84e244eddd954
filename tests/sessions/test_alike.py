"""The same deployment and the same session over each way into a real guest: what comes back is the same."""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import (
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)
from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError
from libcloud.compute.types import DeploymentError

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import AuthenticationError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.control import CallCounts
from libcloud_vsphere_clone.sessions import login_retry as ready

pytestmark = pytest.mark.guests

PASSWORD = "Given-1-password"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJWpk0A0W1q7O8uB0t7d0v8n2W1yF9x0e7o4mE0J5J7X extra"
TRANSPORTS = ("ssh", "tools", "pull")
SESSIONS = ("ssh", "tools")

READS = {"ssh": 1, "tools": 2, "pull": 1}
"""The reads of one ``deploy_node`` after the node is made: the node, and, for guest operations, their managers."""
CALLS = {"ssh": 1, "tools": 32, "pull": 1}
"""The most calls to vCenter that it may take then for the four steps, beside waiting for the guest. Guest operations
are calls each: a temporary folder, a start, two transfers."""
WAITING = (
    "CreatePropertyCollector",
    "CreateFilter",
    "WaitForUpdatesEx",
    "DestroyPropertyCollector",
    "ValidateCredentialsInGuest",
    "ListProcessesInGuest",
)
"""A guest that is slow is asked more often."""


@dataclass
class Deployed:
    """A node, what ran in it, and what that took once it was made."""

    node: Node
    steps: MultiStepDeployment
    calls: CallCounts
    seconds: float


@pytest.fixture(scope="module")
def deployed(lab: Lab, guests: VsphereCloneNodeDriver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Deployed]:
    """``{transport: a node that the same four steps have run in}``"""
    folder = tmp_path_factory.mktemp("steps")
    (folder / "motd").write_text("héllo\n")
    (folder / "last.sh").write_text("#!/bin/sh\ncat /etc/lab/motd; grep -c extra ~/.ssh/authorized_keys; exit 9\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ready, "CHECK_S", math.inf)  # a guest that is slow to answer costs a read now and then
        return {transport: _deploy(lab, guests, transport, _steps(folder)) for transport in TRANSPORTS}


def _steps(folder: Path) -> MultiStepDeployment:
    failing = '#!/bin/sh\nid -un; pwd; echo "$1|$0"; echo öops >&2; exit 3\n'
    return MultiStepDeployment(
        [
            SSHKeyDeployment(KEY),
            FileDeployment(str(folder / "motd"), "/etc/lab/motd"),
            ScriptDeployment(failing, args=["a"], name="/root/failing.sh", delete=True),
            ScriptFileDeployment(str(folder / "last.sh"), name="last.sh"),
        ]
    )


def _deploy(lab: Lab, driver: VsphereCloneNodeDriver, transport: str, steps: MultiStepDeployment) -> Deployed:
    image = driver.ex_get_image_by_name("debian-12")
    begun = time.monotonic()

    def begin(_: Node, what: str) -> None:
        if what in ("waiting for its address", "waiting for its guest"):
            lab.reset_calls()

    node = driver.deploy_node(
        steps,
        name=f"alike-{transport}",
        size=None,
        image=image,
        auth=NodeAuthPassword(PASSWORD),
        timeout=240,
        ex_transport=transport,
        ex_group="doors",
        ex_on_stage=begin,
    )
    return Deployed(node, steps, lab.calls(), time.monotonic() - begun)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_step_ends_alike(deployed: dict[str, Deployed], transport: str) -> None:
    _, _, failing, last = deployed[transport].steps.steps
    assert (failing.exit_status, failing.stdout, failing.stderr) == (
        3,
        "root\n/root\na|/root/failing.sh\n",
        "öops\n",
    )
    assert (last.exit_status, last.stdout, last.stderr) == (9, "héllo\n1\n", "")


LOOK = """
cd /root
stat -c '%n %a %U' /etc/lab /etc/lab/motd last.sh .ssh .ssh/authorized_keys
cat .ssh/authorized_keys /etc/lab/motd
ls -A /root /tmp
"""


def test_the_guests_are_left_alike(guests: VsphereCloneNodeDriver, deployed: dict[str, Deployed]) -> None:
    """Nothing of the transport itself remains: no temporary file, and no script that was to be deleted."""
    found = {}
    for transport, one in deployed.items():
        with _session(guests, one.node, "ssh") as client:
            client.run("cloud-init status --wait")
            found[transport] = client.run(LOOK)
    assert KEY in found["ssh"][0]
    assert "failing.sh" not in found["ssh"][0]
    assert found["tools"] == found["ssh"]
    assert found["pull"] == found["ssh"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_round_trips_are_few(deployed: dict[str, Deployed], transport: str) -> None:
    one = deployed[transport]
    print(f"{transport}: {one.calls.total} calls, {one.seconds:.1f} s, {one.calls.by_method}")
    calls = one.calls.by_method
    assert calls["RetrievePropertiesEx"] == READS[transport]
    assert calls.get("CreatePropertyCollector", 0) <= 1  # none where the guest was there already
    assert one.calls.total - sum(calls.get(method, 0) for method in WAITING) <= CALLS[transport]


# Time-outs


def _check_late(late: SSHCommandTimeoutError) -> None:
    assert (late.timeout, late.stdout, late.stderr) == (3, "so far\n", "bäd\n")


@pytest.mark.parametrize("transport", SESSIONS)
def test_a_script_that_takes_too_long_fails_alike(
    guests: VsphereCloneNodeDriver, deployed: dict[str, Deployed], transport: str
) -> None:
    step = ScriptDeployment("echo so far; echo bäd >&2; sleep 60", timeout=3)
    with _session(guests, deployed[transport].node, transport) as client:
        with pytest.raises(SSHCommandTimeoutError) as caught:
            step.run(deployed[transport].node, client)
        _check_late(caught.value)
        assert client.run("echo on", timeout=120)[:1] == ("on\n",)


def test_a_report_tells_of_the_time_out_alike(guests: VsphereCloneNodeDriver) -> None:
    step = ScriptDeployment("echo so far; echo bäd >&2; sleep 60", timeout=3)
    with pytest.raises(DeploymentError) as caught:
        guests.deploy_node(
            step,
            name="late",
            size=None,
            image=guests.ex_get_image_by_name("debian-12"),
            auth=NodeAuthPassword(PASSWORD),
            timeout=240,
            ex_transport="pull",
            ex_group="doors",
            ex_destroy_on_failure=True,
        )
    assert isinstance(caught.value.original_error, SSHCommandTimeoutError)
    _check_late(caught.value.original_error)


# Sessions


@contextlib.contextmanager
def _session(driver: VsphereCloneNodeDriver, node: Node, transport: str, **words: Any) -> Iterator[BaseSSHClient]:
    client = driver.ex_open_session(node, transport, **{"auth": NodeAuthPassword(PASSWORD), "timeout": 240, **words})
    try:
        yield client
    finally:
        client.close()


def _outcome(call: Callable[[], Any]) -> Any:
    """What came back, or the kind of the error."""
    try:
        return call()
    except OSError as error:
        return type(error).__name__, error.errno


def _fails(call: Callable[[], Any]) -> bool:
    """Whether it is refused; SFTP does not say why."""
    try:
        call()
    except OSError:
        return True
    return False


def _conversation(client: Any) -> list[Any]:
    """What a session answers to a bit of everything."""
    got = io.BytesIO()
    return [
        client.put("talk/ä b.txt", "one\n", chmod=0o640),
        client.put("talk/ä b.txt", "twö\n", mode="a"),
        client.putfo("talk/bytes", io.BytesIO(bytes(range(256))), chmod=0o755),
        client.put("/var/talk/new/file", b"\0\xff"),
        client.run("cat 'talk/ä b.txt'; stat -c %a talk talk/*; sha256sum </root/talk/bytes; pwd"),
        client.run("cat; echo out; echo err >&2; exit 200"),
        client.run("kill -9 $$")[2] in (-1, 137),
        client.run("printf '\\377\\n'; head -c 100000 /dev/zero | tr '\\000' x"),
        client.run("no-such-command-here")[2],
        client.get("talk/bytes", got) and None,
        got.getvalue() == bytes(range(256)),
        client.delete("talk/bytes"),
        _outcome(lambda: client.delete("talk/bytes")),
        _outcome(lambda: client.get("talk/bytes", io.BytesIO())),
        _fails(lambda: client.put("/etc/hostname/no", "x")),
        _fails(lambda: client.put("/etc", "x")),
    ]


def test_sessions_answer_alike(guests: VsphereCloneNodeDriver, deployed: dict[str, Deployed]) -> None:
    answers = {}
    for transport in SESSIONS:
        with _session(guests, deployed[transport].node, transport) as client:
            answers[transport] = _conversation(client)
    for over_ssh, over_tools in zip(answers["ssh"], answers["tools"], strict=True):
        assert over_tools == over_ssh
    assert answers["ssh"][:4] == ["/root/talk/ä b.txt", "/root/talk/ä b.txt", "/root/talk/bytes", "/var/talk/new/file"]
    assert answers["ssh"][5] == ("out\n", "err\n", 200)


@pytest.mark.parametrize("transport", SESSIONS)
def test_a_wrong_password_is_the_same_error(
    guests: VsphereCloneNodeDriver, deployed: dict[str, Deployed], transport: str
) -> None:
    wrong = NodeAuthPassword("not-this-one-7")
    with pytest.raises(AuthenticationError) as caught:
        guests.ex_open_session(deployed[transport].node, transport, auth=wrong, timeout=10)  # a busy guest answers late
    assert "not-this-one" not in str(caught.value)
