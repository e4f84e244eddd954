"""What cloud-init is told. That the guest does it is tested where guests run."""

from __future__ import annotations

import base64
import gzip
import json
import random
from email import message_from_string
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest
from passlib.hash import sha512_crypt

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.nics import Nic
from libcloud_vsphere_clone.plan.guest.cloud_init import (
    MAX_VALUE_BYTES,
    build_guestinfo,
    build_raw_data,
    encode_guestinfo,
    is_cleaned,
)
from libcloud_vsphere_clone.plan.guest.cloud_init_end import end_config
from tests.plan.guest.setups import NODE_ID, build_setup

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpXvCAve2tffyFrYe3WRwUPE7tKHOAJMQL21HbhwfFM ünï"


def build(login: Login | None = None, userdata: str | bytes | None = None, **wishes: Any) -> dict[str, str]:
    return build_guestinfo(build_setup("cloud-init", login=login, userdata=userdata, **wishes))


def decoded(guestinfo: dict[str, str], name: str = "userdata") -> str:
    assert guestinfo[f"guestinfo.{name}.encoding"] == "gzip+base64"
    return gzip.decompress(base64.b64decode(guestinfo[f"guestinfo.{name}"], validate=True)).decode()


def cloud_config(text: str) -> dict[str, Any]:
    first, _, rest = text.partition("\n")
    assert first == "#cloud-config"
    config = json.loads(rest)
    assert isinstance(config, dict)
    return config


def parts(guestinfo: dict[str, str]) -> list[Message]:
    """The leaves of the archive, in the order in which cloud-init walks them."""
    return [part for part in message_from_string(decoded(guestinfo)).walk() if not part.is_multipart()]


def text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_only_the_names_and_the_wish_to_hear_the_end_when_nothing_is_asked() -> None:
    guestinfo = build()
    assert set(guestinfo) == {f"guestinfo.{key}{end}" for key in ("metadata", "userdata") for end in ("", ".encoding")}
    assert cloud_config(decoded(guestinfo)) == end_config()
    assert json.loads(decoded(guestinfo, "metadata")) == {"instance-id": NODE_ID, "local-hostname": "web-1"}


def test_key_for_root() -> None:
    config = cloud_config(decoded(build(Login(public_keys=(KEY,)))))
    assert config == {"disable_root": False, "ssh_authorized_keys": [KEY], **end_config()}


def test_password_for_root() -> None:
    config = cloud_config(decoded(build(Login(password="pass:wörd"))))
    default, root = config["users"]
    assert default == "default"
    assert (root["name"], root["lock_passwd"]) == ("root", False)
    assert sha512_crypt.verify("pass:wörd", root["hashed_passwd"])
    assert (config["disable_root"], config["ssh_pwauth"]) == (False, True)
    (file,) = config["write_files"]
    assert file["path"].startswith("/etc/ssh/sshd_config.d/")
    assert file["content"] == "PermitRootLogin yes\n"


def test_another_user_with_a_key() -> None:
    config = cloud_config(decoded(build(Login("deploy", (KEY, KEY)))))
    assert config == {
        "users": [
            "default",
            {
                "name": "deploy",
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "lock_passwd": True,
                "ssh_authorized_keys": [KEY, KEY],
            },
        ],
        **end_config(),
    }


def test_another_user_with_a_password() -> None:
    config = cloud_config(decoded(build(Login("deploy", (), "pw"))))
    user = config["users"][1]
    assert user["lock_passwd"] is False
    assert "ssh_authorized_keys" not in user
    assert sha512_crypt.verify("pw", user["hashed_passwd"])
    (entry,) = config["chpasswd"]["users"]
    assert entry == {"name": "deploy", "password": user["hashed_passwd"], "type": "hash"}
    assert config["chpasswd"]["expire"] is False
    assert config["ssh_pwauth"] is True
    assert "disable_root" not in config


def test_passwords_are_nowhere_in_clear() -> None:
    login = Login("deploy", (KEY,), "s3cret-in-clear")
    assert "s3cret" not in repr(login)
    for userdata in (None, "#!/bin/sh\n"):
        guestinfo = build(login, userdata)
        whole = decoded(guestinfo, "metadata") + decoded(guestinfo)
        whole += "".join(text_of(part) for part in parts(guestinfo)) if userdata else ""
        assert "s3cret" not in whole
        assert base64.b64encode(b"s3cret-in-clear").decode()[:8] not in whole


def test_the_hash_is_removed_after_the_first_boot_unless_the_caller_needs_the_user_data() -> None:
    def cleaned(login: Login | None, userdata: str | None) -> object:
        return json.loads(decoded(build(login, userdata), "metadata")).get("cleanup-guestinfo")

    assert cleaned(Login(password="x"), None) == ["userdata"]
    assert cleaned(Login(password="x"), "#!/bin/sh\n") is None
    assert cleaned(Login(public_keys=(KEY,)), None) is None


@pytest.mark.parametrize(
    "userdata",
    ["#cloud-config\nruncmd: [date]\n", "#!/bin/sh\necho ünï\n", "#include\nhttps://example.com/x\n"],
)
def test_user_data_alone_goes_before_the_wish_to_hear_the_end(userdata: str) -> None:
    for form in (userdata, userdata.encode(), gzip.compress(userdata.encode())):
        theirs, ours = parts(build(None, form))
        assert text_of(theirs) == userdata
        assert cloud_config(text_of(ours)) == end_config()


def test_vcenter_hears_of_its_own_mechanism_without_our_help() -> None:
    assert build_raw_data(build_setup("cloudinit-prep", userdata="#!/bin/sh\n"))[1] == "#!/bin/sh\n"
    assert build_raw_data(build_setup("cloudinit-prep"))[1] is None


def test_further_commands_of_ours_are_all_run() -> None:
    config = cloud_config(decoded(build(host_key_config={"runcmd": [["date"]]})))
    assert config["runcmd"] == [["date"], *end_config()["runcmd"]]


@pytest.mark.parametrize(
    ("userdata", "content_type"),
    [
        ("#cloud-config\nruncmd: [date]\n", "text/cloud-config"),
        ("\n  #Cloud-Config\n{}\n", "text/cloud-config"),
        ("#cloud-config-archive\n- '#!/bin/sh'\n", "text/cloud-config-archive"),
        ("#cloud-config-jsonp\n[]\n", "text/cloud-config-jsonp"),
        ("#!/bin/sh\r\necho ünï\r\n", "text/x-shellscript"),
        ("#cloud-boothook\n#!/bin/sh\n", "text/cloud-boothook"),
        ("#include\nhttps://example.com/x\n", "text/x-include-url"),
        ("#include-once\nhttps://example.com/x\n", "text/x-include-once-url"),
        ("#part-handler\nimport x\n", "text/part-handler"),
        ("## template: jinja\n#cloud-config\n{}\n", "text/jinja2"),
    ],
)
def test_user_data_stays_a_part_of_its_own_before_ours(userdata: str, content_type: str) -> None:
    guestinfo = build(Login(public_keys=(KEY,)), userdata)
    theirs, ours = parts(guestinfo)
    assert theirs.get_content_type() == content_type
    assert text_of(theirs) == userdata
    assert ours.get_content_type() == "text/cloud-config"
    assert ours["Merge-Type"] == "list(prepend)+dict(no_replace,recurse_list)+str()"
    assert cloud_config(text_of(ours))["ssh_authorized_keys"] == [KEY]
    assert "mime-version:" in decoded(guestinfo)[:4096].lower()  # by this cloud-init knows an archive


def test_a_mime_archive_keeps_its_parts() -> None:
    archive = MIMEMultipart()
    first = MIMEText("#cloud-config\n{}\n", "cloud-config")
    first["X-Merge-Type"] = "list(append)"
    archive.attach(first)
    archive.attach(MIMEText("#!/bin/sh\necho ünï\n", "x-shellscript", "utf-8"))
    found = parts(build(Login(public_keys=(KEY,)), archive.as_string()))
    assert [part.get_content_type() for part in found] == [
        "text/cloud-config",
        "text/x-shellscript",
        "text/cloud-config",
    ]
    assert found[0]["X-Merge-Type"] == "list(append)"
    assert text_of(found[1]) == "#!/bin/sh\necho ünï\n"


def test_our_own_archive_can_be_given_again() -> None:
    once = decoded(build(Login("a", (KEY,)), "#!/bin/sh\n"))
    assert len(parts(build(Login("b", (KEY,)), once))) == 3


def test_the_same_twice() -> None:
    login = Login("deploy", (KEY,))
    assert build(login, "#!/bin/sh\n") == build(login, "#!/bin/sh\n")


@pytest.mark.parametrize(
    "userdata", ["echo hello\n", "runcmd: [date]\n", "{}", "# cloud-config\n", "\0\0", b"plain", b"\x1f\x8b broken"]
)
def test_user_data_that_cloud_init_would_ignore_is_refused(userdata: str | bytes) -> None:
    for login in (None, Login()):
        with pytest.raises(InvalidRequestError, match=r"user data.*(#cloud-config|gzip)"):
            build(login, userdata)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert text_of(parts(build(None, b"\xef\xbb\xbf#cloud-config\n{}"))[0]) == "#cloud-config\n{}"


@pytest.mark.parametrize("userdata", ["", b"", None])
def test_empty_user_data_is_none(userdata: str | bytes | None) -> None:
    assert build(None, userdata) == build()


def test_long_user_data_is_packed_as_well_as_alone() -> None:
    """As base64 inside the archive it would not be: half of what a guest can take would be lost."""
    userdata = "#cloud-config\nwrite_files:\n" + "".join(
        f"- {{path: /etc/app/{number}.conf, content: 'port = {number}'}}\n" for number in range(9000)
    )
    alone = encode_guestinfo("userdata", userdata.encode())["guestinfo.userdata"]
    assert len(build(None, userdata)["guestinfo.userdata"]) < 1.1 * len(alone)
    assert text_of(parts(build(None, userdata))[0]) == userdata


@pytest.mark.parametrize(
    "script", ["x" * 5000, "From me\n.\n\n--==\n", "a\r\nb\rc\n\r", "\n\n", "t\tab\x0c\x1b[1m\x00", "no\u2028end"]
)
def test_user_data_arrives_byte_for_byte(script: str) -> None:
    userdata = f"#!/bin/sh\n{script}"
    assert text_of(parts(build(None, userdata))[0]) == userdata


def test_user_data_that_is_too_long() -> None:
    noise = random.Random(1).randbytes(MAX_VALUE_BYTES).hex()  # noqa: S311
    with pytest.raises(InvalidRequestError, match=r"the userdata is [\d,]+ bytes long .* #include"):
        build(None, f"#!/bin/sh\n: {noise}\n")


@pytest.mark.parametrize("username", ["root", "debian", "_x", "a-b_c9", "a" * 32])
def test_user_names(username: str) -> None:
    assert Login(username).username == username


@pytest.mark.parametrize(
    "username", ["", "Root", "1a", "-a", "a b", "a:b", "a/b", "a.b", "ü", "a\n", "a" * 33, "x$", "default"]
)
def test_bad_user_names(username: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"user"):
        Login(username)


@pytest.mark.parametrize("password", ["", "a\0b", "a\x1bb", "a\ud800", 5])
def test_bad_passwords(password: Any) -> None:
    with pytest.raises(InvalidRequestError, match="password"):
        Login(password=password)


# Names, time zone, network, what is ours besides


def metadata(guestinfo: dict[str, str]) -> dict[str, Any]:
    found = json.loads(decoded(guestinfo, "metadata"))
    assert isinstance(found, dict)
    return found


def test_the_domain_is_in_the_host_name() -> None:
    assert metadata(build(domain="lab.example.com"))["local-hostname"] == "web-1.lab.example.com"


def test_a_time_zone() -> None:
    assert cloud_config(decoded(build(timezone="Europe/Berlin"))) == {"timezone": "Europe/Berlin", **end_config()}


def test_the_network_travels_packed_in_the_metadata() -> None:
    nics = [Nic(address="10.0.0.5/24", mac="00:50:56:00:00:01")]
    found = metadata(build_guestinfo(build_setup("cloud-init", nics, dns=["10.0.0.2"])))
    assert found["network.encoding"] == "gzip+base64"
    network = json.loads(gzip.decompress(base64.b64decode(found["network"])))
    assert network["ethernets"]["eth0"]["addresses"] == ["10.0.0.5/24"]


def test_further_config_of_ours_is_joined_with_the_login() -> None:
    extra = {"users": ["more"], "ssh_keys": {"ed25519_private": "secret"}, "ssh_pwauth": False}
    config = cloud_config(decoded(build(Login("deploy", (), "pw"), host_key_config=extra)))
    assert [config["users"][0], config["users"][-1]] == ["default", "more"]
    assert (config["ssh_pwauth"], config["ssh_keys"]) == (True, {"ed25519_private": "secret"})


@pytest.mark.parametrize("userdata", [None, "#!/bin/sh\n"])
@pytest.mark.parametrize("ours", [{"host_key_config": {"ssh_keys": {}}}, {"first_boot_script": "true"}])
def test_what_is_ours_is_removed_after_the_first_boot(ours: dict[str, Any], userdata: str | None) -> None:
    assert is_cleaned(build_setup("cloud-init", userdata=userdata, **ours)) is (userdata is None)


def test_windows_administrator_is_nobody_to_cloud_init() -> None:
    with pytest.raises(InvalidRequestError, match="ex_customize='sysprep'"):
        build(Login("Administrator", password="x"))
