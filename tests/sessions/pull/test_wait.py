"""Deployments that guests carry out by themselves, on real guests: as over SSH, but that the guest connects."""

from __future__ import annotations

import copy
import re
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)
from libcloud.compute.ssh import SSHCommandTimeoutError
from pyVmomi import vim

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import TaskError, TaskTimeoutError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.pull.callback import CallbackReceiver
from libcloud_vsphere_clone.sessions.pull.recording import Recording, record
from libcloud_vsphere_clone.sessions.pull.replay import replay
from libcloud_vsphere_clone.sessions.pull.wait import wait_report
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.direct import Direct

pytestmark = pytest.mark.guests

PASSWORD = "Pulled-by-nobody-1"
TIMEOUT_S = 240

Boot = Callable[..., Node]


@pytest.fixture
def driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        for node in driver.list_nodes(ex_group="pull"):
            driver.destroy_node(node)


@pytest.fixture
def boot(driver: VsphereCloneNodeDriver) -> Boot:
    """A node that carries out a script, or does nothing."""

    def boot(script: str | None = None, **words: Any) -> Node:
        image = driver.ex_get_image_by_name("debian-12")
        return driver.create_node(
            f"pull-{uuid.uuid4().hex[:6]}",
            None,
            image,
            auth=NodeAuthPassword(PASSWORD),
            ex_userdata=script,
            ex_group="pull",
            **words,
        )

    return boot


@pytest.fixture
def pull(driver: VsphereCloneNodeDriver, boot: Boot) -> Callable[..., Node]:
    """Has a deployment carried out by a new node, and plays its report back."""

    def pull(deployment: Deployment, username: str = "root", **words: Any) -> Node:
        recording = record(deployment, username)
        node = boot(recording.bootstrap(), **words)
        report = wait_report(driver._session, _ref(node), token=recording.token, timeout_s=TIMEOUT_S)
        return deployment.run(node, replay(recording, report))

    return pull


def _ref(node: Node) -> Ref:
    return Ref("VirtualMachine", node.extra["moid"])


def _ssh(driver: VsphereCloneNodeDriver, node: Node) -> GuestSSHClient:
    [(_, addresses)] = driver.wait_until_running([node], ssh_interface="private_ips")
    return connect_when_ready(
        lambda username: GuestSSHClient(addresses[0], 22, username, PASSWORD), ["root"], deadline_s=TIMEOUT_S
    )


def _everything(folder: Path) -> MultiStepDeployment:
    (folder / "script.sh").write_text(
        "#!/bin/sh\ncat /srv/a/b/motd; cat ~/.ssh/authorized_keys; stat -c %a /srv/a/b/*\n"
    )
    motd = folder / "motd"
    motd.write_bytes(b"h\xc3\xa9llo 'quoted' $HOME\n" * 50 + b"\x00\xff")
    motd.chmod(0o640)
    return MultiStepDeployment(
        [
            SSHKeyDeployment("ssh-ed25519 AAAA first\n"),
            SSHKeyDeployment("ssh-ed25519 BBBB second\n"),
            FileDeployment(str(motd), "/srv/a/b/motd"),
            ScriptFileDeployment(str(folder / "script.sh"), name="/root/named.sh"),
            ScriptDeployment('#!/bin/sh\necho "$0 $# $1|$2"; echo err >&2; exit 7\n', args=["'a  b'", "$((1+2))"]),
            MultiStepDeployment(
                ScriptDeployment("pwd; id -un; echo $HOME $USER; cat; umask", name="x.sh", delete=True)
            ),
            ScriptDeployment("ls ~/x.sh", timeout=20),
        ]
    )


def _results(deployment: Any) -> list[Any]:
    if isinstance(deployment, MultiStepDeployment):
        return [result for step in deployment.steps for result in _results(step)]
    if isinstance(deployment, ScriptDeployment):
        return [(deployment.stdout, deployment.stderr, deployment.exit_status)]
    return []


def test_same_deployment_by_pull_and_by_ssh_has_equal_results(
    driver: VsphereCloneNodeDriver, boot: Boot, pull: Callable[..., Node], tmp_path: Path
) -> None:
    pulled = _everything(tmp_path)
    sent = copy.deepcopy(pulled)
    node = boot()
    client = _ssh(driver, node)
    client.run("rm -f ~/.ssh/authorized_keys")
    sent.run(node, client)
    client.close()
    pull(pulled)
    assert _results(pulled) == _results(sent)
    assert _results(pulled)[1][1:] == ("err\n", 7)
    assert stat.S_IMODE((tmp_path / "motd").stat().st_mode) == 0o640
    assert "640" in _results(pulled)[0][0]


def test_another_user_runs_the_steps_from_home(pull: Callable[..., Node]) -> None:
    script = ScriptDeployment("id; pwd; stat -c %U:%a .ssh .ssh/*; sudo -n id -un; touch /x")
    pull(MultiStepDeployment([SSHKeyDeployment("k\n"), script]), "deployer", ex_username="deployer")
    lines = str(script.stdout).splitlines()
    assert re.fullmatch(r"uid=1\d+\(deployer\) gid=1\d+\(deployer\) groups=1\d+\(deployer\)", lines[0])
    assert lines[1:] == ["/home/deployer", "deployer:755", "deployer:644", "root"]
    assert (script.exit_status, "Permission denied" in str(script.stderr)) == (1, True)


def test_time_out_ends_the_command_and_the_deployment(
    pull: Callable[..., Node], driver: VsphereCloneNodeDriver
) -> None:
    slow = ScriptDeployment("echo first; echo bad >&2; sleep 300 & sleep 300", timeout=3)
    after = ScriptDeployment("touch /came-here")
    with pytest.raises(SSHCommandTimeoutError) as caught:
        pull(MultiStepDeployment([slow, after]))
    assert (caught.value.stdout, caught.value.stderr, caught.value.timeout) == ("first\n", "bad\n", 3)
    [node] = driver.list_nodes(ex_group="pull")
    client = _ssh(driver, node)
    left = client.run(
        "cloud-init status --wait >/dev/null; pgrep -x -a sleep | grep 300; ls /came-here /var/tmp/libcloud*"
    )
    own = client.run("ls /var/lib/cloud/instance/scripts; grep -c libcloud /var/log/cloud-init-output.log")
    client.close()
    assert left[0] == ""
    assert own[0] == "runcmd\n0\n"  # of ours, only what tells the host keys


def test_long_output_is_cut_at_its_beginning(pull: Callable[..., Node]) -> None:
    script = ScriptDeployment("seq 100000; head -c 60000 /dev/urandom | base64 >&2; echo end >&2")
    pull(script)
    assert str(script.stdout).startswith("[the first ")
    assert str(script.stdout).endswith("99999\n100000\n")
    assert str(script.stderr).endswith("end\n")


def test_file_that_cannot_be_written(pull: Callable[..., Node], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(OSError, match=r"(?i)not a directory|file exists"):
        pull(FileDeployment(str(tmp_path / "a"), "/etc/passwd/a"))


def test_user_that_the_guest_lacks(pull: Callable[..., Node]) -> None:
    with pytest.raises(TaskError, match="cannot carry out the deployment: the guest has no user nobody-here"):
        pull(ScriptDeployment("true"), "nobody-here")


def test_a_guest_that_powers_off_ends_the_deployment(pull: Callable[..., Node]) -> None:
    off = "is poweredOff and has not reported; the last it said is 'running 2 of 2'"
    with pytest.raises(TaskError, match=f"{off}|was shut down in step 2 of 2"):
        pull(ScriptDeployment("poweroff; sleep 60"))


def test_a_guest_that_reboots_is_noticed(pull: Callable[..., Node]) -> None:
    with pytest.raises(TaskError, match="cannot carry out the deployment: the guest was shut down in step 2 of 2"):
        pull(ScriptDeployment("reboot; sleep 60"))


def test_time_over_says_where_the_guest_was(driver: VsphereCloneNodeDriver, boot: Boot) -> None:
    recording = record(ScriptDeployment("sleep 600"))
    node = boot(recording.bootstrap())
    said = ""
    for _ in range(80):  # until the guest has come so far
        with pytest.raises(TaskTimeoutError) as caught:
            wait_report(driver._session, _ref(node), token=recording.token, timeout_s=3)
        said = str(caught.value)
        if "running 2 of 2" in said:
            break
    assert "within 3 s: it was running 2 of 2" in said


def _hardened(lab: Lab, driver: VsphereCloneNodeDriver, boot: Boot, recording: Recording, url: str | None) -> Node:
    """A node that may not write guestinfo."""
    node = boot(recording.bootstrap(report_url=url), ex_power_on=False)
    client = Direct(lab)
    option = vim.option.OptionValue(key="isolation.tools.setInfo.disable", value="TRUE")
    client.wait(client.vm(node.extra["moid"]).ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option])))
    client.close()
    driver.start_node(node)
    return node


def test_hardened_guest_reports_by_callback(lab: Lab, driver: VsphereCloneNodeDriver, boot: Boot) -> None:
    first = _ssh(driver, boot())
    here = first.run("echo $SSH_CONNECTION")[0].split()[0]
    first.close()
    script = ScriptDeployment("seq 20000; exit 3")
    recording = record(script)
    with CallbackReceiver(here) as receiver:
        node = _hardened(lab, driver, boot, recording, receiver.expect(recording.token))
        report = wait_report(driver._session, _ref(node), token=recording.token, timeout_s=TIMEOUT_S, receiver=receiver)
    script.run(node, replay(recording, report))
    assert (script.exit_status, str(script.stdout).split()[-1], str(script.stdout)[:2]) == (3, "20000", "1\n")


def test_hardened_guest_without_a_callback_says_nothing(lab: Lab, driver: VsphereCloneNodeDriver, boot: Boot) -> None:
    recording = record(ScriptDeployment("true"))
    node = _hardened(lab, driver, boot, recording, None)
    with pytest.raises(TaskTimeoutError, match=r"it said nothing: .*setInfo.disable"):
        wait_report(driver._session, _ref(node), token=recording.token, timeout_s=6)
