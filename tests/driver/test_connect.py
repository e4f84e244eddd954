"""The constructor's parameters: checked before anything is sent, and no secret leaves for an unknown server."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import pickle
import shutil
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import libcloud.security
import pytest

from libcloud_vsphere_clone.driver.connect import build_endpoint
from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError, VsphereError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import stub
from libcloud_vsphere_clone.vcenter.session import Endpoint

PIN = "ab" * 32


@pytest.fixture
def calm_lab(bare_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab with no session in it, and nothing that libcloud was told elsewhere."""
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", (0.01,))
    monkeypatch.setattr(libcloud.security, "VERIFY_SSL_CERT", True)
    monkeypatch.setattr(libcloud.security, "CA_CERTS_PATH", certifi.where())
    bare_lab.expire_sessions()
    bare_lab.reset_calls()
    yield bare_lab
    bare_lab.faults.clear()
    bare_lab.control.restore_certificate()


def endpoint(**changes: Any) -> Endpoint:
    words: dict[str, Any] = {
        "username": "user@vsphere.local",
        "password": "secret",
        "secure": True,
        "host": "vc.example.com",
        "port": None,
        "api_version": None,
        "ca_cert": None,
        "timeout_s": 60,
        "allow_insecure": False,
        "thumbprint": None,
    }
    return build_endpoint(**{**words, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"username": ""}, "user name and a password"),
        ({"password": None}, "user name and a password"),
        ({"host": None}, "host="),
        ({"host": "https://vc.example.com/sdk"}, "without scheme"),
        ({"host": "vc.example.com:443"}, "without scheme and port"),
        ({"port": "https"}, "port="),
        ({"port": 70000}, "port="),
        ({"port": -443}, "port="),
        ({"timeout_s": 0}, "timeout="),
        ({"timeout_s": -1}, "timeout="),
        ({"timeout_s": None}, "timeout="),
        ({"timeout_s": "60"}, "timeout="),
        ({"timeout_s": float("nan")}, "timeout="),
        ({"timeout_s": float("inf")}, "timeout="),
        ({"secure": False}, "allow_insecure=True"),
        ({"secure": False, "allow_insecure": True, "thumbprint": PIN}, "ex_thumbprint"),
        ({"thumbprint": "ab" * 20}, "SHA-256"),
        ({"thumbprint": ""}, "SHA-256"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        endpoint(**changes)
    assert isinstance(caught.value, ValueError)
    assert "secret" not in str(caught.value).replace("(user, password", "")


def test_ports_and_addresses() -> None:
    assert endpoint().port == 443
    assert endpoint(port=8443).port == endpoint(port="8443").port == 8443
    assert endpoint(secure=False, allow_insecure=True).port == 80
    assert endpoint(secure=False, allow_insecure=True).trust is None
    assert endpoint(host="::1").host == "::1"
    assert endpoint(host="[2001:db8::1]").host == "[2001:db8::1]"
    assert endpoint(timeout_s=3).timeout_s == 3.0


def test_trust_follows_what_was_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(libcloud.security, "CA_CERTS_PATH", certifi.where())
    trust = endpoint().trust
    assert trust is not None
    assert (trust.verify, trust.ca_file, trust.extra_ca_file) == (True, None, certifi.where())
    own = endpoint(ca_cert="/ca.pem").trust
    assert own is not None
    assert (own.ca_file, own.extra_ca_file) == ("/ca.pem", None)
    for chosen in ("/chosen.pem", ["/chosen.pem", "/other.pem"]):
        monkeypatch.setattr(libcloud.security, "CA_CERTS_PATH", chosen)
        trust = endpoint().trust
        assert trust is not None
        assert (trust.ca_file, trust.extra_ca_file) == ("/chosen.pem", None)
        pinned = endpoint(thumbprint=PIN).trust
        assert pinned is not None
        assert (pinned.ca_file, pinned.thumbprint) == (None, PIN), "a pin says more than a bundle for all clouds"
        own = endpoint(ca_cert="/ca.pem").trust
        assert own is not None
        assert own.ca_file == "/ca.pem"


def test_verification_turned_off_is_read_at_connect_time_and_warned_of(
    calm_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm_lab.control.swap_certificate()
    with pytest.raises(ConnectionFailedError, match="certificate"):
        calm_lab.driver()
    monkeypatch.setattr(libcloud.security, "VERIFY_SSL_CERT", False)
    with pytest.warns(UserWarning, match="VERIFY_SSL_CERT is False.*ex_thumbprint") as caught:
        driver = calm_lab.driver()
    assert driver.list_images()
    driver.close()
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trust = endpoint(thumbprint=PIN).trust
    assert trust is not None
    assert trust.thumbprint == PIN, "a pin holds all the same"


def test_a_ca_chosen_for_libcloud_is_used(calm_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailedError, match="certificate"):
        calm_lab.driver(ca_cert=None)
    chosen = shutil.copy(calm_lab.ca_cert, tmp_path / "chosen.pem")
    monkeypatch.setattr(libcloud.security, "CA_CERTS_PATH", str(chosen))
    with calm_lab.driver(ca_cert=None) as driver:
        assert driver.list_images()


def test_a_pinned_driver_needs_no_ca(calm_lab: Lab) -> None:
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((calm_lab.host, calm_lab.port)))
    with calm_lab.driver(ca_cert=None, ex_thumbprint=hashlib.sha256(der).hexdigest()) as driver:
        assert driver.list_images()
    with pytest.raises(ConnectionFailedError, match="not the pinned"):
        calm_lab.driver(ca_cert=None, ex_thumbprint=PIN)


def test_insecure_has_to_be_typed_twice(calm_lab: Lab) -> None:
    with pytest.raises(ValueError, match="allow_insecure"):
        calm_lab.driver(secure=False)
    assert calm_lab.calls().total == 0
    with pytest.raises(ConnectionFailedError):
        calm_lab.driver(secure=False, allow_insecure=True)  # the lab speaks TLS only
    assert calm_lab.calls().total == 0


def secrets_of(lab: Lab) -> list[str]:
    return [lab.password]


def test_no_secret_is_told(calm_lab: Lab, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    told = []
    with caplog.at_level(logging.DEBUG), calm_lab.driver() as driver:
        told += [repr(driver), str(driver), repr(driver._session), repr(driver._session.endpoint)]
        calm_lab.faults.add("RetrievePropertiesEx", fault="InvalidArgument")
        with pytest.raises(VsphereError) as caught:
            driver.list_images()
        calm_lab.faults.add("Login", fault="InvalidLogin", times=0)
        calm_lab.expire_sessions()
        with pytest.raises(AuthenticationError) as refused:
            driver.list_images()
        for error in (caught.value, refused.value):
            told += [repr(error), str(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")]
    output = capfd.readouterr()
    told += [caplog.text, output.out, output.err]
    assert "password='***'" in told[0]
    assert "Login: failed" in caplog.text
    for secret in secrets_of(calm_lab):
        assert not [text for text in told if secret in text]


@pytest.mark.parametrize("end", ["driver.close()", "LoggingConnection.log.close()", ""])
def test_libclouds_debug_log_has_calls_and_no_secret(calm_lab: Lab, tmp_path: Path, end: str) -> None:
    log = tmp_path / "debug.log"
    program = (
        "import os\nfrom libcloud.utils.loggingconnection import LoggingConnection\n"
        "from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver\n"
        "host, port, username, password, ca_cert = os.environ['LAB'].split('|')\n"
        "driver = VsphereCloneNodeDriver(username, password, host=host, port=int(port), ca_cert=ca_cert)\n"
        "driver.list_images()\n"
        "cookie = driver._session.stub.cookie\n"
        f"{end}\n"
        "print(cookie.partition('=')[2].partition(';')[0])\n"
    )
    words = "|".join((calm_lab.host, str(calm_lab.port), calm_lab.username, calm_lab.password, calm_lab.ca_cert))
    environment = {**os.environ, "LAB": words, "LIBCLOUD_DEBUG": str(log), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    text = log.read_text()
    assert "RetrievePropertiesEx: ok" in text
    assert calm_lab.control.count_sessions() == 0
    for secret in (calm_lab.password, done.stdout.strip()):
        assert secret
        assert secret not in text


def test_a_forgotten_driver_logs_out(calm_lab: Lab) -> None:
    driver = calm_lab.driver()
    assert driver.list_images()
    assert calm_lab.control.count_sessions() == 1
    del driver
    gc.collect()
    assert calm_lab.control.count_sessions() == 0
    assert calm_lab.control.leftovers().views == 0


def test_a_wrong_password_is_an_error_of_libclouds_too(calm_lab: Lab) -> None:
    from libcloud.common.types import InvalidCredsError

    before = calm_lab.control.logins()
    calm_lab.faults.add("Login", fault="InvalidLogin", times=0)
    with pytest.raises(InvalidCredsError, match="check user name"):
        calm_lab.driver()
    assert calm_lab.control.logins().count == before.count + 1
