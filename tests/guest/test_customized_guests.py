"""What real guests make of what they are told: the lab's guests have the real cloud-init."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import Lab, Nic, VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import TaskError
from libcloud_vsphere_clone.model import marks
from tests.direct import Direct

pytestmark = pytest.mark.guests

PASSWORD = "correct-horse-7"


@pytest.fixture
def driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        if "told" in [group.name for group in driver.ex_list_groups()]:
            driver.ex_destroy_group("told")


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def archive() -> str:
    parts = MIMEMultipart()
    parts.attach(MIMEText("#cloud-config\nruncmd: [[sh, -c, 'echo config >>/var/order']]\n", "cloud-config"))
    parts.attach(MIMEText("#!/bin/sh\necho theirs >>/var/order\n", "x-shellscript"))
    return parts.as_string()


USER_DATA = {
    "config": ("#cloud-config\nruncmd: [[sh, -c, 'echo config >>/var/order']]\n", "config\nours\n"),
    "script": ("#!/bin/sh\necho theirs >>/var/order\n", "theirs\nours\n"),
    "archive": (archive(), "theirs\nconfig\nours\n"),
}
"""``{node: (the caller's user data, what has run in which order)}``; cloud-init runs commands as a script too."""

LOOK = "cloud-init status --wait >/dev/null; cat /var/order; hostname --fqdn; cat /etc/timezone; cat /var/extra\n"


def test_user_data_of_every_kind_is_merged_with_all_of_ours(driver: VsphereCloneNodeDriver, key_file: Path) -> None:
    image = driver.ex_get_image_by_name("debian-12")

    def make(name: str) -> str:
        step = ScriptDeployment(LOOK)
        driver.deploy_node(
            step,
            name=name,
            size=None,
            image=image,
            ssh_key=str(key_file),
            timeout=240,
            ex_group="told",
            ex_userdata=USER_DATA[name][0],
            ex_hostname=f"{name}-host",
            ex_domain="lab.example.com",
            ex_timezone="Etc/UTC",
            ex_first_boot_script="echo ours >>/var/order; echo $0 >/var/extra",
        )
        return str(step.stdout)

    with ThreadPoolExecutor(len(USER_DATA)) as pool:
        said = dict(zip(USER_DATA, pool.map(make, USER_DATA), strict=True))
    for name, (_, order) in USER_DATA.items():
        script = "/var/lib/cloud/instance/scripts/zz-libcloud-first-boot"
        assert said[name] == f"{order}{name}-host.lab.example.com\nEtc/UTC\n{script}\n"


def test_a_guest_is_told_its_addresses_and_reads_them(driver: VsphereCloneNodeDriver) -> None:
    """The lab's guests keep the network of their container; that the real cloud-init has read ours is what shows."""
    look = "#!/bin/sh\ncloud-init status --wait >/dev/null\ncat /run/cloud-init/instance-data-sensitive.json\n"
    step = ScriptDeployment(look)
    driver.deploy_node(
        step,
        name="fixed",
        size=None,
        image=driver.ex_get_image_by_name("debian-12"),
        auth=NodeAuthPassword(PASSWORD),
        timeout=240,
        ex_group="told",
        ex_networks=[Nic(address="10.0.0.5/24", gateway="10.0.0.1", mac="00:50:56:00:00:77")],
        ex_dns=["10.0.0.2"],
    )
    said = str(step.stdout)
    assert '"macaddress": "00:50:56:00:00:77"' in said
    assert '"gateway4": "10.0.0.1"' in said
    assert PASSWORD not in said


def test_each_guest_of_a_group_is_told_what_is_its_own(driver: VsphereCloneNodeDriver) -> None:
    nodes = driver.ex_deploy_nodes_in_group(
        "told",
        2,
        None,
        driver.ex_get_image_by_name("debian-12"),
        deploy=ScriptDeployment("cloud-init status --wait >/dev/null; hostname; cat /var/own"),
        auth=NodeAuthPassword(PASSWORD),
        timeout=240,
        ex_names=["first", "second"],
        ex_each=[
            {"ex_hostname": name, "ex_userdata": f"#!/bin/sh\necho {name} says >/var/own\n"}
            for name in ("alpha", "beta")
        ],
    )
    said = {node.name: node.extra["deployment"]["stdout"] for node in nodes}
    assert said == {"first": "alpha\nalpha says\n", "second": "beta\nbeta says\n"}


# The end of cloud-init, which guests tell by themselves

SLOW = "#!/bin/sh\nsleep 3\nvmware-rpctool 'info-set guestinfo.slow ended'\n"
NODES = {"plain": None, "slow": SLOW, "failing": "#!/bin/sh\nexit 3\n"}
"""``{node: its user data}``; no user can log in to them."""


def test_guests_tell_the_end_of_cloud_init_without_a_log_in(driver: VsphereCloneNodeDriver, lab: Lab) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    direct = Direct(lab)

    def told(name: str, key: str) -> str | None:
        options = direct.read(direct.find(f"vm/told/{name}"), "config.extraConfig")
        return {option.key: option.value for option in options}.get(key)

    for name, userdata in NODES.items():
        driver.create_node(name, None, image, ex_group="told", ex_userdata=userdata)
    nodes = {node.name: node for node in driver.list_nodes(ex_group="told")}
    ready = driver.wait_until_running([nodes["plain"], nodes["slow"]], timeout=240, ex_wait_for="customized")
    assert all(addresses for _, addresses in ready)
    assert told("slow", "guestinfo.slow") == "ended"
    with pytest.raises(TaskError, match="node 'failing' failed: cloud-init failed in scripts-user; the guest's log"):
        driver.wait_until_running([nodes["failing"]], timeout=240, ex_wait_for="customized")
    assert told("failing", marks.CUSTOMIZED)
    driver.wait_until_running([nodes["failing"]], timeout=240)  # it can be used all the same
    direct.close()
