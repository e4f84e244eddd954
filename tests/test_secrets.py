"""A password that is known goes through every door, and is then looked for wherever something is kept.

A program of a user's does it, with all that can be logged being logged. Where an API takes a password in clear there
is no choice, and TLS around it: the guest operations' login (``NamePasswordAuthentication``), sysprep's passwords
(``CustomizationPassword``, which vCenter wants readable where its key is not known), and the keys of a log-in that are
typed (``PutUsbScanCodes``). None of them may be kept anywhere.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from libcloud.compute.base import Node, NodeAuthPassword

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.ssh.connection import LOG_CHANNEL
from tests.direct import Direct

pytestmark = pytest.mark.guests

PASSWORD = "Kn0wn+by/all the doors"
DOMAIN_PASSWORD = "J0in+the/domain now"
WRONG = "N0t+the/right one"
SECRETS = (PASSWORD, DOMAIN_PASSWORD, WRONG)

PROGRAM = """
import json, logging, pickle, sys, traceback
from concurrent.futures import ThreadPoolExecutor
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import Deployment, MultiStepDeployment, ScriptDeployment
from libcloud_vsphere_clone import VsphereCloneNodeDriver, Windows
from libcloud_vsphere_clone.sessions.ssh import client
from libcloud_vsphere_clone.sessions.winrm import shell
from libcloud_vsphere_clone.sessions.keyboard.client import TypingSpeed
from libcloud_vsphere_clone import Keyboard, WinRM

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
for name in list(logging.root.manager.loggerDict):  # those too that are silent unless asked
    logging.getLogger(name).setLevel(logging.DEBUG)
asked = json.load(sys.stdin)

def print(*words):  # a line at a time: several threads do
    sys.stdout.write(" ".join(map(str, words)) + "\\n")

password, wrong = asked["password"], asked["wrong"]
auth = NodeAuthPassword(password)

class Failing(Deployment):
    def run(self, node, client):
        client.run("no-such-command")
        client.put("/proc/no", "x")

def keyboard():
    return Keyboard(log_in=True, pace=TypingSpeed(keys_per_call=200, pause_s=0))

def deploy(name, step=None, **words):
    how = {"auth": auth, "timeout": 240, "max_tries": 1, "ex_on_stage": lambda node, what: print(node, what), **words}
    step = step or ScriptDeployment("ps axww -o args; env", delete=True)
    return driver.deploy_node(step, name=name, size=None, image=image, ex_group="secrets", **how)

def show(name, error):
    print(name, "failed:", type(error).__name__)
    while error is not None:
        print(str(error), repr(error), error.args, getattr(error, "__notes__", ()), vars(error))
        if type(error).__module__.startswith("libcloud_vsphere_clone"):
            print(repr(pickle.loads(pickle.dumps(error))))
        error = error.__cause__ or error.__context__

def run(name, what):
    try:
        print(name, "made:", what())
    except Exception as error:
        show(name, error)
        traceback.print_exc()

def session(transport, word, command="ps axww -o args; env", seconds=120, **words):
    node = driver.ex_get_node(name="over-ssh", ex_group="secrets")
    client = driver.ex_open_session(node, transport, auth=NodeAuthPassword(word), **{"timeout": 120, **words})
    print(client, vars(client).keys(), client.run(command, timeout=seconds))
    client.close()

def create(name, **words):
    # The lab's guests are not told what vCenter's own customization brings, so nothing waits for them.
    return driver.create_node(name, None, image, auth=auth, ex_group="secrets", ex_power_on=False, **words)

def join(**words):
    domain = Windows(domain="example.com", domain_user="joiner", domain_password=asked["domain"])
    print(domain)
    return create("joined", ex_windows=domain, ex_customize="sysprep", **words)

first = {
    "over-ssh": lambda: deploy("over-ssh", ex_transport="ssh"),
    "over-tools": lambda: deploy("over-tools", ex_transport="tools"),
    "over-pull": lambda: deploy("over-pull", ex_transport="pull"),
    "over-keyboard": lambda: deploy("over-keyboard", ex_transport=keyboard()),
    "prepared": lambda: create("prepared", ex_customize="cloudinit-prep"),
    "joined": join,
}
then = {
    "failing": lambda: deploy("over-ssh", Failing(), ex_transport="ssh"),
    "failing step": lambda: deploy("failing", Failing(), ex_transport="ssh"),
    "asks": lambda: deploy("refused", Failing(), ex_transport=keyboard()),
    "untypable": lambda: deploy("refused", auth=NodeAuthPassword(password + "\\u2192"), ex_transport=keyboard()),
    "late": lambda: session("ssh", password, command="sleep 9", seconds=0.2),
    "no time": lambda: deploy("no-time", timeout=0.01, ex_transport="tools"),
    "ssh": lambda: session("ssh", wrong, timeout=1),
    "tools": lambda: session("tools", wrong, timeout=1),
    "ssh again": lambda: session("ssh", password),
    "tools again": lambda: session("tools", password),
    "winrm": lambda: session(WinRM(port=1), wrong, timeout=1),
    "sysprep on an old one": lambda: join(ex_domain="\\u2192"),
    "no sysprep": lambda: join(ex_hostname="a.b"),
    "group": lambda: driver.ex_run_script_on_group("secrets", "ps axww", auth=NodeAuthPassword(wrong), timeout=1),
}
with VsphereCloneNodeDriver(**asked["driver"]) as driver:
    image = driver.ex_get_image_by_name("debian-12")
    for jobs in (first, then):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda job: run(*job), jobs.items()))
    print([node.extra for node in driver.list_nodes(ex_group="secrets")])
"""


@pytest.fixture(scope="module")
def guests(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        if "secrets" in [group.name for group in driver.ex_list_groups()]:
            driver.ex_destroy_group("secrets")


@pytest.fixture(scope="module")
def said(lab: Lab, guests: VsphereCloneNodeDriver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the program printed and logged, and Libcloud's own debug log."""
    debug = tmp_path_factory.mktemp("secrets") / "libcloud.log"
    connection = {"key": lab.username, "secret": lab.password, "host": lab.host, "port": lab.port}
    asked = {
        "driver": {**connection, "ca_cert": str(lab.ca_cert), "ex_datacenter": lab.datacenter},
        "password": PASSWORD,
        "wrong": WRONG,
        "domain": DOMAIN_PASSWORD,
    }
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "LIBCLOUD_DEBUG": str(debug), "PYTHONPATH": str(Path(__file__).parent.parent)},
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return {"printed": ended.stdout, "logged": ended.stderr, "libcloud": debug.read_text(), "lab": lab.log_text()}


@pytest.fixture(scope="module")
def nodes(guests: VsphereCloneNodeDriver, said: dict[str, str]) -> dict[str, Node]:
    """The program's nodes, by name."""
    return {node.name: node for node in guests.list_nodes(ex_group="secrets")}


@pytest.fixture(scope="module")
def behind(lab: Lab) -> Iterator[Direct]:
    """A look behind the driver's back."""
    client = Direct(lab)
    yield client
    client.close()


def forms(secret: str) -> set[str]:
    """A text as it may stand in a log, a URL, JSON, XML, or a value in base64 at any offset."""
    encoded = {
        base64.b64encode(b"\0" * skip + text)[4 if skip else 0 : -4].decode()
        for skip in range(3)
        for text in (secret.encode(), secret.encode("utf-16-le"))
    }
    return {secret, quote(secret), quote(secret, safe=""), secret.encode().hex(), *encoded}


def found(text: str) -> list[str]:
    """The secrets that are in a text, in any form."""
    return [secret for secret in SECRETS if any(form in text for form in forms(secret))]


def unpacked(value: str) -> str:
    """A guestinfo value in clear, if it is packed."""
    try:
        data = base64.b64decode(value, validate=True)
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")
    except ValueError:
        return value


def test_the_search_finds_what_is_hidden() -> None:
    packed = base64.b64encode(gzip.compress(f"x: {PASSWORD}".encode())).decode()
    for text in (PASSWORD, f"a {quote(PASSWORD)}", base64.b64encode(f"root:{PASSWORD}".encode()).decode()):
        assert found(text) == [PASSWORD]
    assert found(packed) == []
    assert found(unpacked(packed)) == [PASSWORD]


def test_everything_went_as_it_should(said: dict[str, str], nodes: dict[str, Node]) -> None:
    """Else nothing that follows shows anything."""
    printed = said["printed"]
    for name in ("over-ssh", "over-tools", "over-pull", "over-keyboard", "prepared", "joined"):
        assert f"{name} made: <Node" in printed, said["logged"]
    failed = ("failing", "failing step", "asks", "untypable", "late", "no time", "ssh", "tools", "winrm")
    assert [name for name in failed if f"\n{name} failed: " not in printed] == []
    assert "AuthenticationError" in printed
    assert f":{LOG_CHANNEL}.transport:" in said["logged"] or f":{LOG_CHANNEL}:" in said["logged"]
    assert {"over-ssh", "failing", "joined"} <= nodes.keys()


@pytest.mark.parametrize("place", ["printed", "logged", "libcloud", "lab"])
def test_no_log_no_error_and_no_node_has_it(said: dict[str, str], place: str) -> None:
    assert found(said[place]) == []


def test_no_node_keeps_it_in_vcenter(behind: Direct, nodes: dict[str, Node]) -> None:
    for name, node in nodes.items():
        config = behind.extra_config(behind.vm(node.extra["moid"]))
        kept = {key: found(value) or found(unpacked(value)) for key, value in config.items()}
        assert {key for key, secrets in kept.items() if secrets} == set(), name
        assert found(str(behind.read(behind.vm(node.extra["moid"]), "config"))) == []
    packed = behind.extra_config(behind.vm(nodes["joined"].extra["moid"]))
    assert "libcloud.id" in packed  # else the search was for nothing


def test_no_task_and_no_event_tells_it(behind: Direct, nodes: dict[str, Node]) -> None:
    tasks = behind.read(behind.content.taskManager, "recentTask")
    told = ("name", "descriptionId", "description", "entityName", "reason", "result", "error", "eventChainId", "key")
    # One by one: some tasks of the lab are on what pyVmomi takes for no entity, and refuses to read.
    infos = [str([behind.read(task, f"info.{part}") for part in told]) for task in tasks]
    assert any("CloneVM" in info or "clone" in info for info in infos)
    assert [info for info in infos if found(info)] == []
    events = [str(event) for event in behind.content.eventManager.QueryEvents(_all_events())]
    assert len(events) > 20
    assert [event for event in events if found(event)] == []


LOOK = """
find /var/log /var/lib/cloud /run /tmp /root /etc/ssh -type f -size -4M -exec cat {} + 2>/dev/null
ps axww -o args
cat /proc/[0-9]*/environ
vmware-rpctool 'info-get guestinfo.userdata'
"""


@pytest.mark.parametrize("name", ["over-ssh", "over-tools", "over-pull"])
def test_no_guest_keeps_it(guests: VsphereCloneNodeDriver, nodes: dict[str, Node], name: str) -> None:
    client = guests.ex_open_session(nodes[name], "ssh", auth=NodeAuthPassword(PASSWORD), timeout=240)
    try:
        client.run("cloud-init status --wait")
        kept = client.run(LOOK)[0]
    finally:
        client.close()
    assert len(kept) > 10_000
    assert found(kept) == []


def _all_events() -> Any:
    from pyVmomi import vim

    return vim.event.EventFilterSpec(maxCount=1000)
