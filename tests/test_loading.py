"""What is loaded, and when: the driver's class alone at first, and by a listing only what a listing needs.

Libcloud itself loads much, paramiko, cryptography and requests among it: what counts is what comes on top.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

from libcloud_vsphere_clone import Lab

PACKAGE = "libcloud_vsphere_clone"

ROOMS = {"deploy", "guest", "inventory", "operations", "plan", "sessions", "vcenter"}
"""Of these the class names the packages, which load nothing by themselves."""

CLASS = {"", "driver", "errors", "loading", "model", "option_names", "registration"}
CLASS_MODULES = {"sessions.options", "vcenter.rows"}
"""In rooms, what verbs' signatures name."""

SESSION = {"connections", "mirror", "pace", "pages", "properties", "session", "stub", "subscription", "tls", "types"}
LISTING = {
    *(f"vcenter.{module}" for module in SESSION),
    "guest.addresses",
    "inventory.images",
    "inventory.locations",
    "inventory.lookup",
    "inventory.nodes",
    "plan.guest",
    "plan.guest.mechanism",
    "plan.guest.setup",
    "plan.hardware",
    "plan.placement",
    "vcenter.customization_specs",
}
COMMAND = {"", ".commands", ".commands.images", ".connection", ".error_messages", ".group", ".nodes", ".output"}
LAB = {"", ".engine", ".errors", ".identity", ".places", ".record"}

GET = "from libcloud.compute.providers import get_driver; kind = get_driver('vsphere_clone')"
LIST = "driver.list_nodes(), driver.list_images(), driver.list_sizes(), driver.list_locations(), driver.close()"


def run(program: str) -> list[str]:
    """The modules that a new interpreter has loaded after this program."""
    code = f"import sys, json, libcloud_vsphere_clone\n{program}\njson.dump(list(sys.modules), sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stderr))


@cache
def libcloud_alone() -> frozenset[str]:
    return frozenset(run("import libcloud.compute.base"))


def ours(modules: list[str]) -> set[str]:
    """Our modules, such as ``vcenter.rows``; the package itself is an empty name."""
    own = (name for name in modules if name.partition(".")[0] == PACKAGE)
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in own}


def theirs(modules: list[str]) -> set[str]:
    """Packages of others that Libcloud alone does not load."""
    known = sys.stdlib_module_names | {name.partition(".")[0] for name in libcloud_alone()}
    return {name.partition(".")[0] for name in modules} - known - {"__mp_main__", PACKAGE}


def beyond_class(modules: list[str]) -> set[str]:
    """What of ours is loaded that the class does not need."""
    others = ours(modules) - ROOMS - CLASS_MODULES
    return {module for module in others if module.partition(".")[0] not in CLASS}


def test_the_class_loads_no_room() -> None:
    modules = run(GET)
    assert beyond_class(modules) == set()
    assert theirs(modules) == set()


def test_the_standard_library_s_slow_modules_are_left_alone() -> None:
    """What Libcloud alone does not load, and what takes milliseconds each."""
    slow = {"concurrent.futures", "ctypes", "multiprocessing", "sysconfig", "uuid", "zoneinfo"}
    assert slow & (set(run(GET)) - libcloud_alone()) == set()


def test_a_listing_loads_what_reads_and_nothing_that_writes(bare_lab: Lab) -> None:
    connection = {"host": bare_lab.host, "port": bare_lab.port, "ca_cert": bare_lab.ca_cert}
    made = f"driver = kind({bare_lab.username!r}, {bare_lab.password!r}, **{connection!r})"
    modules = run(f"{GET}\n{made}\n{LIST}")
    assert beyond_class(modules) <= LISTING
    assert theirs(modules) == {"pyVmomi"}


def test_the_command_s_listing_loads_no_tables_for_terminals_and_no_lab_that_runs(bare_lab: Lab) -> None:
    command = (
        f"from libcloud_vsphere_clone.cli import main; main(['images', '--lab={bare_lab.name}'], standalone_mode=0)"
    )
    modules = run(command)
    allowed = {*LISTING, *(f"cli{module}" for module in COMMAND), *(f"lab{module}" for module in LAB)}
    assert beyond_class(modules) - allowed <= {"cli.spelling"}
    assert theirs(modules) == {"click", "platformdirs", "pyVmomi"}
