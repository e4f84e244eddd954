"""``cli/commands/doctor.py``: what passes, what fails, what is then not asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from libcloud_vsphere_clone.cli.commands.doctor import CONNECT_CHECKS
from libcloud_vsphere_clone.lab import Lab, LabError
from libcloud_vsphere_clone.lab import engine as lab_engine
from libcloud_vsphere_clone.lab.engine import Engine
from tests.direct import Direct

Run = Callable[..., Result]
HOUR = timedelta(hours=1)
SECRET = {"VSPHERE_CLONE_PASSWORD": "not-the-password-0815"}


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake: whether this machine has a container engine is no matter of these tests."""
    monkeypatch.setattr(lab_engine, "find_engine", lambda: Engine("podman", "/bin/podman"))


@pytest.fixture
def no_engine(engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise LabError("no container engine runs here")

    monkeypatch.setattr(lab_engine, "find_engine", refuse)


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """The path of a certificate for localhost that signed itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + HOUR)
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(
        key, hashes.SHA256()
    )
    path = tmp_path / "server.pem"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(plain + made.public_bytes(Encoding.PEM))
    return str(path)


@pytest.fixture
def web_server(certificate: str) -> Iterator[int]:
    """The port of something on localhost that has the certificate and is no vCenter."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(("localhost", 0), Nothing) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def results(shown: Result) -> dict[str, str]:
    """{check: its result}"""
    answer = json.loads(shown.stdout)
    assert answer["ok"] is (shown.exit_code == 0)
    return {check["check"]: check["result"] for check in answer["checks"]}


def detail(shown: Result, name: str) -> str:
    """What was said to a check, its remedy too."""
    [check] = [check for check in json.loads(shown.stdout)["checks"] if check["check"] == name]
    return f"{check['detail']}; {check['remedy']}"


def stops_at(failed: str) -> dict[str, str]:
    """The results when this check of the connection fails."""
    where = CONNECT_CHECKS.index(failed)
    passed, later = CONNECT_CHECKS[:where], (*CONNECT_CHECKS[where + 1 :], "images folder", "placement")
    return {
        **dict.fromkeys(passed, "ok"),
        failed: "failed",
        **dict.fromkeys(later, "skipped"),
        "container engine": "ok",
    }


def test_all_is_well(on_bare: Run) -> None:
    shown = on_bare("doctor", "--json")
    assert shown.exit_code == 0
    placements = [f"placement of {image}" for image in ("archive/debian-11", "debian-12", "debian-12-static")]
    assert results(shown) == dict.fromkeys((*CONNECT_CHECKS, "images folder", *placements, "container engine"), "ok")
    assert detail(shown, "placement of debian-12").startswith("on cluster-drs, datastore ")


def test_for_people(on_bare: Run) -> None:
    shown = on_bare("doctor", "--images-folder", "nothing")
    assert shown.exit_code == 1
    lines = shown.stdout.splitlines()
    assert lines[3] == "ok      login: as administrator@vsphere.local"
    assert lines[4].startswith("failed  images folder: no images folder 'nothing'")
    assert lines[5].strip().startswith("in vCenter, make the folder")
    assert lines[6] == "skipped placement: an earlier check has to pass first"


def test_nothing_listens(run: Run) -> None:
    words = ["--host", "127.0.0.1", "--port", "1", "--username", "u", "--json"]
    failed = run("doctor", *words, env=SECRET)
    assert results(failed) == stops_at("connection")
    assert "check --host, --port" in detail(failed, "connection")


def test_a_host_that_cannot_be(run: Run) -> None:
    failed = run("doctor", "--host", "https://vcenter", "--username", "u", "--json", env=SECRET)
    assert results(failed) == stops_at("connection")


def test_a_lab_that_does_not_run(run: Run) -> None:
    assert results(run("doctor", "--lab=nowhere", "--json")) == stops_at("connection")


def test_an_untrusted_certificate(run: Run, bare_lab: Lab) -> None:
    """Its thumbprint is shown, for those who can compare it."""
    words = ["--host", bare_lab.host, "--port", str(bare_lab.port), "--username", bare_lab.username, "--json"]
    before = bare_lab.control.logins().count
    failed = run("doctor", *words, env=SECRET)
    assert results(failed) == stops_at("TLS")
    thumbprint = detail(failed, "TLS").rpartition(" ")[2]
    assert bare_lab.control.logins().count == before
    pinned = run("doctor", *words, "--thumbprint", thumbprint, env={"VSPHERE_CLONE_PASSWORD": bare_lab.password})
    assert pinned.exit_code == 0, pinned.stdout


@pytest.mark.parametrize("words", [["--thumbprint", "12"], ["--ca-cert", __file__]])
def test_trust_that_cannot_be(on_bare: Run, words: list[str]) -> None:
    failed = on_bare("doctor", *words, "--json")
    assert results(failed) == {**stops_at("TLS"), "connection": "skipped"}


def test_not_verified_is_said(on_bare: Run) -> None:
    assert "not verified" in detail(on_bare("doctor", "--insecure", "--json"), "TLS")


def test_a_web_server_is_no_vcenter(run: Run, certificate: str, web_server: int) -> None:
    words = ["--host", "localhost", "--port", str(web_server), "--username", "u", "--ca-cert", certificate, "--json"]
    failed = run("doctor", *words, env=SECRET)
    assert results(failed) == stops_at("product")
    assert "HTTP 404" in detail(failed, "product")


def test_a_bare_host_is_no_vcenter(run: Run) -> None:
    with Lab(esxi=True) as lab:
        failed = run("doctor", f"--lab={lab.name}", "--json")
    assert results(failed) == stops_at("product")
    assert "it has no clone API" in detail(failed, "product")


def test_a_wrong_password_is_tried_once(run: Run, bare_lab: Lab) -> None:
    words = ["--host", bare_lab.host, "--port", str(bare_lab.port), "--username", bare_lab.username]
    before = bare_lab.control.logins().failed
    failed = run("doctor", *words, "--ca-cert", bare_lab.ca_cert, "--json", env=SECRET)
    assert results(failed) == stops_at("login")
    assert bare_lab.control.logins().failed == before + 1
    assert SECRET["VSPHERE_CLONE_PASSWORD"] not in failed.output


def test_no_place_for_a_clone(on_bare: Run, bare_cleared: Lab, direct: Direct) -> None:
    """Each image is a check of its own, with the reasons."""
    vm = direct.find("vm/jclouds-images/debian-12")
    committed = direct.read(vm, "summary.storage").committed
    bare_cleared.control.change_vm(vm._moId, {"summary.storage.committed": 10**18})
    try:
        failed = on_bare("doctor", "--json")
    finally:
        bare_cleared.control.change_vm(vm._moId, {"summary.storage.committed": committed})
    assert results(failed)["placement of debian-12"] == "failed"
    assert results(failed)["placement of archive/debian-11"] == "ok"
    assert "shared-1: " in detail(failed, "placement of debian-12")


def test_an_empty_images_folder(on_bare: Run, bare_cleared: Lab) -> None:
    with bare_cleared.driver() as driver:
        driver.create_node("web-1", None, driver.ex_get_image_by_name("debian-12"), ex_group="nothing-in-it")
        driver.destroy_node(driver.ex_get_node(name="web-1"))
    failed = on_bare("doctor", "--images-folder", "nothing-in-it", "--json")
    assert results(failed)["images folder"] == "failed"
    assert "no image is in 'nothing-in-it'" in detail(failed, "images folder")
    assert on_bare("images", "--images-folder", "nothing-in-it").stdout.startswith("no image is in 'nothing-in-it'")


def test_nothing_is_named(run: Run) -> None:
    """Only the lab's needs are checked."""
    shown = run("doctor", "--json")
    assert shown.exit_code == 0
    assert set(results(shown).values()) == {"skipped", "ok"}
    assert "give --host, or --lab" in detail(shown, "connection")


def test_no_engine_fails_for_the_lab(run: Run, no_engine: None) -> None:
    failed = run("doctor", "--json")
    assert failed.exit_code == 1
    assert results(failed)["container engine"] == "failed"


def test_no_engine_is_no_matter_with_a_vcenter(run: Run, bare_lab: Lab, no_engine: None) -> None:
    words = ["--host", bare_lab.host, "--port", str(bare_lab.port), "--username", bare_lab.username]
    env = {"VSPHERE_CLONE_PASSWORD": bare_lab.password}
    shown = run("doctor", *words, "--ca-cert", bare_lab.ca_cert, "--json", env=env)
    assert shown.exit_code == 0
    assert results(shown)["container engine"] == "skipped"


def test_nothing_is_written(on_bare: Run, bare_lab: Lab) -> None:
    bare_lab.reset_calls()
    assert on_bare("doctor").exit_code == 0
    reads = {"RetrieveServiceContent", "Login", "Logout", "CreateContainerView", "RetrievePropertiesEx", "FindByUuid"}
    assert bare_lab.calls().by_method.keys() <= reads
