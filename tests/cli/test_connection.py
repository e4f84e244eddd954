"""``cli/connection.py``: options, variables and files → a connected driver."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import libcloud.security
import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]
WRONG = "not-the-password-0815"


@pytest.fixture
def variables(bare_lab: Lab) -> dict[str, str]:
    """A whole connection."""
    return {
        "VSPHERE_CLONE_HOST": bare_lab.host,
        "VSPHERE_CLONE_PORT": str(bare_lab.port),
        "VSPHERE_CLONE_USERNAME": bare_lab.username,
        "VSPHERE_CLONE_PASSWORD": bare_lab.password,
        "VSPHERE_CLONE_CA_CERT": bare_lab.ca_cert,
    }


def test_by_variables(run: Run, variables: dict[str, str]) -> None:
    shown = run("images", env=variables)
    assert shown.exit_code == 0, shown.stderr
    assert "debian-12" in shown.stdout


def test_by_options(run: Run, bare_lab: Lab, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{bare_lab.password}\n")
    words = ["--host", bare_lab.host, "--port", str(bare_lab.port), "--username", bare_lab.username]
    trust = ["--ca-cert", bare_lab.ca_cert, "--datacenter", bare_lab.datacenter]
    shown = run("images", *words, *trust, "--password-file", str(secret))
    assert shown.exit_code == 0, shown.stderr


def test_password_from_stdin_wins_over_the_variable(run: Run, bare_lab: Lab, variables: dict[str, str]) -> None:
    env = {**variables, "VSPHERE_CLONE_PASSWORD": WRONG}
    shown = run("images", "--password-file", "-", env=env, input=f"{bare_lab.password}\n")
    assert shown.exit_code == 0, shown.stderr


def test_no_option_takes_a_password(run: Run) -> None:
    assert run("images", "--password", "x").exit_code == 2


def test_a_wrong_password_is_not_shown(run: Run, variables: dict[str, str]) -> None:
    failed = run("images", "--debug", env={**variables, "VSPHERE_CLONE_PASSWORD": WRONG})
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert "error: could not log in to vCenter" in failed.stderr
    assert "Traceback" in failed.stderr
    assert WRONG not in failed.output


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("VSPHERE_CLONE_HOST", "no vCenter is named: give --host"),
        ("VSPHERE_CLONE_USERNAME", "no user is named: give --username"),
        ("VSPHERE_CLONE_PASSWORD", "no password: set VSPHERE_CLONE_PASSWORD, give --password-file"),
    ],
)
def test_what_is_missing_is_named(run: Run, variables: dict[str, str], missing: str, said: str) -> None:
    del variables[missing]
    refused = run("images", env=variables)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr


@pytest.mark.parametrize(("content", "said"), [(b"\n", "it is empty"), (b"\xff\xfe", "it is no text")])
def test_unusable_password_files(
    run: Run, variables: dict[str, str], tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    refused = run("images", "--password-file", str(file), env=variables)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_missing_password_file_is_wrong_usage(run: Run, variables: dict[str, str]) -> None:
    refused = run("images", "--password-file", "/nowhere/password", env=variables)
    assert refused.exit_code == 2
    assert "No such file" in refused.stderr


def test_on_a_terminal_the_password_is_asked_for_and_not_echoed(bare_lab: Lab, variables: dict[str, str]) -> None:
    del variables["VSPHERE_CLONE_PASSWORD"]
    command = [sys.executable, "-m", "libcloud_vsphere_clone.cli", "images", "--json"]
    keyboard, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            command,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            start_new_session=True,  # or it would ask on the terminal that the tests run on
        ) as process:
            wait_until_hidden(terminal)
            os.write(keyboard, f"{bare_lab.password}\n".encode())
            listed, asked = process.communicate(timeout=120)
        os.write(terminal, b"end")
        echoed = os.read(keyboard, 1000)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert process.returncode == 0, asked
    assert f"Password of {bare_lab.username} at {bare_lab.host}".encode() in asked
    assert b'"name": "debian-12"' in listed
    assert bare_lab.password.encode() not in echoed + listed + asked


def wait_until_hidden(terminal: int) -> None:
    """Until what is typed is not shown any more; what was typed before is thrown away."""
    deadline = time.monotonic() + 120
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < deadline, "no password was asked for"
        time.sleep(0.01)


def test_an_untrusted_certificate_is_refused(run: Run, variables: dict[str, str]) -> None:
    del variables["VSPHERE_CLONE_CA_CERT"]
    failed = run("images", env=variables)
    assert failed.exit_code == 1
    assert "certificate is not trusted" in failed.stderr
    assert "--ca-cert" in failed.stderr


def test_insecure_warns_and_changes_nothing_for_good(run: Run, variables: dict[str, str]) -> None:
    del variables["VSPHERE_CLONE_CA_CERT"]
    shown = run("images", "--insecure", "--json", env=variables)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stderr.startswith("warning: the server's certificate is not verified")
    assert shown.stderr.count("\n") == 1
    assert libcloud.security.VERIFY_SSL_CERT is True


def test_a_wrong_pin_is_refused(run: Run, variables: dict[str, str]) -> None:
    failed = run("images", "--thumbprint", "ab" * 32, env=variables)
    assert failed.exit_code == 1
    assert "not the pinned" in failed.stderr


def test_a_lab_that_does_not_run(run: Run) -> None:
    failed = run("images", "--lab=nowhere")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "no lab named 'nowhere' runs" in failed.stderr


def test_a_lab_that_is_typed_wins_over_variables(run: Run, bare_lab: Lab) -> None:
    env = {"VSPHERE_CLONE_HOST": "other.invalid", "VSPHERE_CLONE_THUMBPRINT": "ab" * 32, "VSPHERE_CLONE_PORT": "1"}
    assert run("images", f"--lab={bare_lab.name}", env=env).exit_code == 0


def test_a_host_that_is_typed_wins_over_the_lab_variable(run: Run, bare_lab: Lab, variables: dict[str, str]) -> None:
    del variables["VSPHERE_CLONE_HOST"]
    shown = run("images", "--host", bare_lab.host, env={**variables, "VSPHERE_CLONE_LAB": "nowhere"})
    assert shown.exit_code == 0, shown.stderr


def test_a_lab_by_variable(run: Run, bare_lab: Lab) -> None:
    assert run("images", env={"VSPHERE_CLONE_LAB": bare_lab.name}).exit_code == 0


def test_host_and_lab_exclude_each_other(run: Run) -> None:
    assert run("images", "--host", "a", "--lab=b").exit_code == 2
    assert run("images", env={"VSPHERE_CLONE_HOST": "a", "VSPHERE_CLONE_LAB": "b"}).exit_code == 2


def test_every_command_logs_out(run: Run, bare_lab: Lab) -> None:
    before = bare_lab.control.count_sessions()
    assert run("nodes", f"--lab={bare_lab.name}").exit_code == 0
    assert run("images", f"--lab={bare_lab.name}", "--images-folder", "none").exit_code == 1
    assert bare_lab.control.count_sessions() == before
