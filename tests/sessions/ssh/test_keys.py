"""Keys as people have them: made by ssh-keygen, openssl's formats by cryptography."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.ssh import keys
from libcloud_vsphere_clone.sessions.ssh.keys import (
    find_private_keys,
    load_private_key,
    load_private_keys,
    public_half,
)
from libcloud_vsphere_clone.sessions.ssh.public_keys import check_public_key

MakeKey = Callable[..., Path]
PASSPHRASE = "p ass-ö"
NO_PASSPHRASE = NoEncryption()


def pem(key: object, format: PrivateFormat, encryption: KeySerializationEncryption = NO_PASSPHRASE) -> str:
    return key.private_bytes(Encoding.PEM, format, encryption).decode()  # type: ignore[attr-defined,no-any-return]


def public_text(private: Path) -> str:
    return private.with_name(f"{private.name}.pub").read_text().strip()


def refusal(source: str | Path, password: str | None = None) -> str:
    """Why the key is refused; checks that the message shows no key material."""
    with pytest.raises(InvalidRequestError) as caught:
        load_private_key(source, password)
    message = str(caught.value)
    text = Path(source).read_text() if isinstance(source, Path) and source.is_file() else str(source)
    lines = [line for line in text.splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]{16,}", line)]
    assert not [line for line in lines if line[:16] in message]
    assert not password or password not in message
    return message


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
@pytest.mark.parametrize("form", ["OPENSSH", "PEM", "PKCS8"])
@pytest.mark.parametrize("kind", [("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")])
def test_a_private_key_of_each_format_is_loaded(
    make_key: MakeKey, kind: tuple[str, str], form: str, passphrase: str
) -> None:
    options = () if form == "OPENSSH" else ("-m", form)
    path = make_key("-t", kind[0], "-b", kind[1], *options, passphrase=passphrase)
    for source in (path, str(path), path.read_text(), path.read_bytes()):
        key = load_private_key(source, passphrase or None)
        assert key.can_sign()
        assert public_half(key, "made by a test") == public_text(path)


@pytest.mark.parametrize("encryption", [NO_PASSPHRASE, BestAvailableEncryption(PASSPHRASE.encode())])
def test_an_ed25519_key_of_each_format_is_loaded(make_key: MakeKey, encryption: KeySerializationEncryption) -> None:
    passphrase = "" if encryption is NO_PASSPHRASE else PASSPHRASE
    path = make_key("-t", "ed25519", passphrase=passphrase)
    assert public_half(load_private_key(path, passphrase), "made by a test") == public_text(path)
    key = ed25519.Ed25519PrivateKey.generate()
    forms = [pem(key, form, encryption) for form in (PrivateFormat.PKCS8, PrivateFormat.OpenSSH)]
    assert len({public_half(load_private_key(form, passphrase or None)) for form in forms}) == 1


def test_text_as_it_gets_copied(client_key: Path) -> None:
    text = client_key.read_text()
    expected = load_private_key(client_key)
    for variant in (text.replace("\n", "\r\n"), f"\n  \n{text}\n\n", text.rstrip()):
        assert load_private_key(variant) == expected


def test_a_password_for_a_key_without_passphrase_does_no_harm(client_key: Path) -> None:
    assert load_private_key(client_key, "a login password") == load_private_key(client_key)


def test_home_is_understood(client_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_bytes(client_key.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_private_key("~/mine") == load_private_key(client_key)


def test_several_keys_are_loaded_in_their_order(client_key: Path, make_key: MakeKey) -> None:
    other = make_key("-t", "rsa", "-b", "2048")
    assert load_private_keys([client_key, str(other)]) == (load_private_key(client_key), load_private_key(other))
    assert load_private_keys(str(other)) == (load_private_key(other),)
    assert load_private_keys(None) == load_private_keys([]) == load_private_keys("") == ()


@pytest.mark.parametrize("options", [(), ("-m", "PEM"), ("-m", "PKCS8")])
def test_a_missing_or_wrong_passphrase_is_said(make_key: MakeKey, options: tuple[str, ...]) -> None:
    path = make_key("-t", "rsa", "-b", "2048", *options, passphrase=PASSPHRASE)
    assert refusal(path) == f"the key file {str(path)!r} is encrypted: pass its passphrase as ssh_key_password"
    assert "the passphrase in ssh_key_password is wrong" in refusal(path, "not this one")
    assert refusal(path.read_text()).startswith("the given key is encrypted")


def test_what_is_missing_or_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none").startswith(f"there is no key file '{tmp_path}/none': check the path")
    assert "Is a directory" in refusal(tmp_path)
    assert "not a usable path" in refusal("a\0b")
    (tmp_path / "empty").touch()
    assert "it is empty" in refusal(tmp_path / "empty")


def test_public_keys_given_instead(client_key: Path, tmp_path: Path) -> None:
    public = client_key.with_name(f"{client_key.name}.pub")
    assert "is a public key; pass the private file beside it, the one without .pub" in refusal(public)
    (tmp_path / "rfc4716").write_text("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n")
    assert "is a public key" in refusal(tmp_path / "rfc4716")


def test_kinds_that_sshd_does_not_take(make_key: MakeKey, tmp_path: Path) -> None:
    old = dsa.generate_private_key(1024)  # noqa: S505
    assert "DSA" in refusal(pem(old, PrivateFormat.TraditionalOpenSSL))
    assert "DSA" in refusal(pem(old, PrivateFormat.PKCS8))
    assert "secp256k1" in refusal(pem(ec.generate_private_key(ec.SECP256K1()), PrivateFormat.PKCS8))
    assert "kind that SSH does not use" in refusal(pem(ed448.Ed448PrivateKey.generate(), PrivateFormat.PKCS8))
    made = subprocess.run(
        ["ssh-keygen", "-q", "-t", "dsa", "-N", "", "-f", str(tmp_path / "dsa")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if made.returncode == 0:  # newer ones can't make them
        assert "DSA" in refusal(tmp_path / "dsa")


def test_keys_of_other_formats_are_refused_with_advice(tmp_path: Path) -> None:
    putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n"
    assert "puttygen KEY.ppk -O private-openssh" in refusal(putty)
    assert "no private key in it is known" in refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def test_damaged_keys_are_refused(client_key: Path, make_key: MakeKey) -> None:
    for text in (client_key.read_text(), make_key("-t", "rsa", "-b", "2048", "-m", "PEM").read_text()):
        lines = text.splitlines()
        del lines[2:4]
        assert "damaged" in refusal("\n".join(lines))
        assert "damaged" in refusal("\n".join(lines), "any")


def test_public_half_is_one_line(client_key: Path) -> None:
    line = public_half(load_private_key(client_key))
    assert re.fullmatch(r"ssh-ed25519 [A-Za-z0-9+/=]+ libcloud-vsphere-clone", line)
    assert check_public_key(line) == line


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    socket_path = str(tmp_path / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket_path], stdout=subprocess.DEVNULL) as process:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket_path)
        while not takes_connections(socket_path):
            assert process.poll() is None
            time.sleep(0.01)
        yield
        process.terminate()


def takes_connections(path: str) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(path) == 0


def test_private_keys_are_found_for_a_public_one(
    client_key: Path, make_key: MakeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(InvalidRequestError, match="no private key to the given public key"):
        find_private_keys(public_text(client_key))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_mine").write_bytes(client_key.read_bytes())
    (tmp_path / ".ssh" / "id_other").write_bytes(make_key("-t", "rsa", "-b", "2048").read_bytes())
    (tmp_path / ".ssh" / "id_junk").write_text("junk")
    assert find_private_keys(public_text(client_key)) == (load_private_key(client_key),)


@pytest.mark.usefixtures("agent")
def test_private_keys_are_found_in_the_agent(client_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    client_key.chmod(0o600)
    subprocess.run(["ssh-add", "-q", str(client_key)], check=True)
    (key,) = find_private_keys(public_text(client_key))
    assert key.get_base64() == public_text(client_key).split()[1]
    assert isinstance(key, paramiko.AgentKey)


def test_short_rsa_keys_are_refused(make_key: MakeKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MIN_RSA_BITS", 2049)  # no tool here makes keys that are short for real
    assert "an RSA key of 2048 bits, which sshd finds too short" in refusal(make_key("-t", "rsa", "-b", "2048"))
