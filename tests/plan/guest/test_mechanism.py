"""Which mechanism, and why; and what it cannot carry."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.marks import MECHANISMS
from libcloud_vsphere_clone.model.nics import Nic
from libcloud_vsphere_clone.model.windows import Windows
from libcloud_vsphere_clone.option_names import option, spell
from libcloud_vsphere_clone.plan.guest.mechanism import CARRIES, check_carried, choose_mechanism
from libcloud_vsphere_clone.plan.guest.setup import MechanismChoice
from tests.by_hand import build_image
from tests.plan.guest.setups import build_setup

MARK = marks.mark_path(marks.GUEST)
WINDOWS = {"config.guestId": "windows2022srvNext_64Guest", "config.guestFullName": "Microsoft Windows Server 2025"}


def test_the_callers_word_counts_first_then_the_mark_then_the_guest() -> None:
    image = build_image({**WINDOWS, MARK: "none"})
    asked = choose_mechanism(image, "linux-prep")
    assert asked == MechanismChoice("linux-prep", f"asked for with {option('customize')}")
    assert spell(asked.reason) == "asked for with ex_customize"
    assert choose_mechanism(image, None, "sysprep").mechanism == "sysprep"
    assert choose_mechanism(image) == MechanismChoice("none", "the image's mark")
    assert choose_mechanism(build_image(WINDOWS)) == MechanismChoice(
        "sysprep", "the guest is Microsoft Windows Server 2025"
    )


@pytest.mark.parametrize(
    ("guest_id", "name", "mechanism"),
    [
        ("debian12_64Guest", "Debian GNU/Linux 12 (64-bit)", "cloud-init"),
        (None, None, "cloud-init"),
        ("winNetEnterpriseGuest", "Microsoft Windows Server 2003", "sysprep"),
        ("windows11_64Guest", None, "sysprep"),
        ("coreos64Guest", "CoreOS Linux (64-bit)", "ignition"),
        ("other5xLinux64Guest", "Flatcar Container Linux", "ignition"),
        ("fedora64Guest", "Fedora CoreOS 42", "ignition"),
        ("darwin23_64Guest", "macOS 14", "cloud-init"),
    ],
)
def test_what_suits_a_guest(guest_id: str | None, name: str | None, mechanism: str) -> None:
    choice = choose_mechanism(build_image({"config.guestId": guest_id, "config.guestFullName": name}))
    assert choice.mechanism == mechanism
    assert (name or "") in choice.reason


def test_windows_without_tools_cannot_be_customized() -> None:
    choice = choose_mechanism(build_image({**WINDOWS, "guest.toolsVersionStatus2": "guestToolsNotInstalled"}))
    assert choice.mechanism == "none"
    assert "without VMware Tools" in choice.reason


def test_a_mark_that_nobody_knows_says_nothing() -> None:
    assert choose_mechanism(build_image({MARK: "kickstart"})).mechanism == "cloud-init"


def test_every_mechanism_says_what_it_carries() -> None:
    assert CARRIES.keys() == set(MECHANISMS)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("none", {"hostname": "web"}, "ex_hostname"),
    ("none", {"networks": [Nic("a", address="10.0.0.5/24")]}, "a static address"),
    ("none", {"timezone": "UTC", "dns": ["10.0.0.2"]}, "ex_timezone and ex_dns"),
    ("linux-prep", {"login": Login("root", ("ssh-ed25519 AAAA",))}, "a key"),
    ("linux-prep", {"userdata": "#!/bin/sh"}, "ex_userdata.*ex_customize='cloud-init'"),
    ("sysprep", {"login": Login("root", ("ssh-ed25519 AAAA",))}, "a key"),
    ("sysprep", {"first_boot_script": "dir"}, r"ex_first_boot_script.*run_once"),
    ("cloud-init", {"windows": Windows()}, "ex_windows"),
    ("ignition", {"customization_spec": "x"}, "ex_customization_spec"),
]


@pytest.mark.parametrize(("mechanism", "words", "reason"), REFUSED)
def test_what_a_mechanism_cannot_carry_is_refused(mechanism: str, words: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        check_carried("img", build_setup(mechanism, words.get("networks", ()), **words), generated_password=False)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_images_own_password_needs_nothing(mechanism: str) -> None:
    nics = [Nic("a", mac="00:50:56:00:00:01")]
    setup = build_setup(mechanism, nics, login=Login("root", password="known"))
    check_carried("img", setup, generated_password=False)


@pytest.mark.parametrize("mechanism", ["none", "linux-prep"])
def test_a_password_that_was_made_up_must_reach_the_guest(mechanism: str) -> None:
    with pytest.raises(InvalidRequestError, match="a generated password"):
        check_carried("img", build_setup(mechanism), generated_password=True)
