from __future__ import annotations

import pytest
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.errors import InvalidRequestError, TaskError
from libcloud_vsphere_clone.sessions.pull.recording import Recording
from libcloud_vsphere_clone.sessions.pull.replay import ReplayClient, replay
from libcloud_vsphere_clone.sessions.pull.report import Report, StepResult
from libcloud_vsphere_clone.sessions.steps import Delete, Put, Run, Step


def client(*steps: tuple[Step, StepResult | None]) -> ReplayClient:
    results = tuple(result for _, result in steps if result is not None)
    return replay(Recording(tuple(step for step, _ in steps)), Report("t", "/home/alice", results))


def result(exit_status: int = 0, *, timed_out: bool = False, out: str = "", err: str = "") -> StepResult:
    return StepResult(exit_status, timed_out, out, err)


def test_answers_are_the_guests() -> None:
    session = client((Put("a", b""), result()), (Run("x"), result(7, out="o", err="e")), (Delete("a"), result()))
    assert session.putfo("a") == "/home/alice/a"
    assert session.run("x") == ("o", "e", 7)
    assert session.delete("a")
    assert session.close()


def test_absolute_paths_stay() -> None:
    assert client((Put("/etc/a", b""), result())).put("/etc/a") == "/etc/a"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("cannot create: Permission denied", PermissionError),
        ("rm: cannot remove 'a': No such file or directory", FileNotFoundError),
        ("No space left on device", OSError),
        ("", OSError),
    ],
)
def test_files_fail_as_over_sftp(words: str, kind: type[OSError]) -> None:
    with pytest.raises(kind):
        client((Put("a", b""), result(1, err=words))).put("a")
    with pytest.raises(kind):
        client((Delete("a"), result(1, err=words))).delete("a")


def test_time_out_is_raised_each_time_that_the_deployment_is_tried() -> None:
    session = client((Put("a", b""), result()), (Run("x", 5), result(143, timed_out=True, out="o", err="e")))
    for _ in range(2):
        session.put("a")
        with pytest.raises(SSHCommandTimeoutError) as caught:
            session.run("x", timeout=5)
        assert (caught.value.stdout, caught.value.stderr, caught.value.timeout) == ("o", "e", 5)


def test_connecting_starts_again() -> None:
    session = client((Run("x"), result(out="o")))
    session.run("x")
    session.connect()
    assert session.run("x") == ("o", "", 0)


def test_steps_that_the_guest_did_not_come_to() -> None:
    session = client((Run("x"), None))
    with pytest.raises(TaskError, match="ended the deployment before step 1 of 1"):
        session.run("x")


def test_another_deployment_is_noticed() -> None:
    with pytest.raises(InvalidRequestError, match="it was changed since"):
        client((Run("x"), result())).put("a")
    with pytest.raises(InvalidRequestError, match="it was changed since"):
        client().run("a")
