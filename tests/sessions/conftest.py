"""A real sshd on loopback, keys of every kind made for the run, and nodes that a module's tests share."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.ssh.keys import load_private_key

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_port() -> int:
    """A port on which nothing listens; none of those that the system gives to the tests beside this one by itself."""
    while True:
        port = random.randrange(15_000, 32_000)  # noqa: S311  # not for secrets
        with closing(socket.socket()) as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass
class Sshd:
    """An OpenSSH server of the current user, with its own configuration, on a port of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def count(self, text: str, expected: int) -> int:
        """How often the log says this. OpenSSH answers a login before it logs it, so the log may have to be awaited."""
        deadline = time.monotonic() + 10
        while self.log.count(text) < expected and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.log.count(text)

    def authorize(self, *lines: str) -> None:
        (self.folder / "authorized_keys").write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> None:
        if SSHD is None:
            pytest.skip("no sshd here; install openssh-server")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd's privilege separation folder
        options = {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(self.folder / "host_key"),
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
            "Subsystem": "sftp internal-sftp",
            **self.options,
        }
        (self.folder / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "config")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"sshd did not start: {self.log}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


SshdFactory = Callable[..., Sshd]


@pytest.fixture(scope="session")
def make_key(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a private key file with ssh-keygen; the public one lies beside it."""
    folder = tmp_path_factory.mktemp("keys")

    def make(*arguments: str, passphrase: str = "") -> Path:
        path = folder / ("_".join((*arguments, passphrase)).replace("/", "-") or "key")
        if not path.exists():
            command = ["ssh-keygen", "-q", *arguments, "-N", passphrase, "-C", "made by a test", "-f", str(path)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path

    return make


@pytest.fixture(scope="session")
def client_key(make_key: Callable[..., Path]) -> Path:
    return make_key("-t", "ed25519")


@pytest.fixture(scope="session")
def new_sshd(
    tmp_path_factory: pytest.TempPathFactory, make_key: Callable[..., Path], client_key: Path
) -> Iterator[SshdFactory]:
    """Make servers, not yet started, that take ``client_key``; stop them all in the end."""
    made: list[Sshd] = []

    def make(**options: str) -> Sshd:
        folder = tmp_path_factory.mktemp("sshd")
        shutil.copy(make_key("-t", "ecdsa"), folder / "host_key")
        sshd = Sshd(folder, options=options)
        sshd.authorize(client_key.with_name(f"{client_key.name}.pub").read_text().strip())
        made.append(sshd)
        return sshd

    yield make
    for sshd in made:
        sshd.stop()


@pytest.fixture(scope="session")
def sshd(new_sshd: SshdFactory) -> Sshd:
    server = new_sshd()
    server.start()
    server.wait()
    return server


@pytest.fixture
def username() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def client(sshd: Sshd, client_key: Path, username: str) -> Iterator[GuestSSHClient]:
    """A session into the loopback server."""
    session = GuestSSHClient("127.0.0.1", sshd.port, username, timeout=60, pkeys=[load_private_key(client_key)])
    session.connect()
    yield session
    session.close()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Sessions, and waits for one, end with all the connections that they tried."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if isinstance(thread, paramiko.Transport)]


@contextmanager
def password_user(password: str) -> Iterator[str]:
    """A user of this machine for the time of a test, by a name of its own; for root only."""
    from passlib.hash import sha512_crypt

    hashed = sha512_crypt.using(rounds=5000).hash(password)
    name = f"libcloud-{uuid.uuid4().hex[:8]}"
    command = ["useradd", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", hashed, name]
    subprocess.run(command, check=True)
    try:
        yield name
    finally:
        subprocess.run(["userdel", "--force", name], check=True, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def guests(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    """A driver on the lab with guests; what the module made in the group ``doors`` is gone after it."""
    with lab.driver() as driver:
        yield driver
        lab.faults.clear()
        if "doors" in [group.name for group in driver.ex_list_groups()]:
            driver.ex_destroy_group("doors")


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a private key."""
    path = tmp_path_factory.mktemp("doors") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return str(path)
