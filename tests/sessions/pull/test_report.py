from __future__ import annotations

import base64
import gzip
import json

import pytest

from libcloud_vsphere_clone.errors import VsphereError
from libcloud_vsphere_clone.sessions.pull.report import MAX_BYTES, StepResult, read_report

HEAD = b'{"token": "t", "home": "/root"}\n'


def packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data)).decode()


def step(out: bytes, err: bytes, cut: int = 0, **words: object) -> bytes:
    head: dict[str, object] = {"exit_status": 0, "timed_out": False, "stdout": len(out), "stderr": len(err)}
    head |= {"stdout_size": len(out) + cut, "stderr_size": len(err), **words}
    return json.dumps(head).encode() + b"\n" + out + err


def test_outputs_may_be_any_bytes() -> None:
    report = read_report(packed(HEAD + step(b'{"x": 1}\n\n', b"\xff\x00") + step(b"", b"", exit_status=7)))
    assert (report.token, report.home) == ("t", "/root")
    assert report.results == (StepResult(0, False, '{"x": 1}\n\n', "\ufffd\x00"), StepResult(7, False, "", ""))


def test_cut_output_says_so() -> None:
    [result] = read_report(packed(HEAD + step(b"end\n", b"", cut=1_000_000))).results
    assert result.stdout == "[the first 1,000,000 of 1,000,004 bytes are left out]\nend\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---",
        "é",
        packed(b""),
        packed(b"[]\n"),
        packed(b"{}\n"),
        packed(HEAD + b"x\n"),
        packed(HEAD + step(b"abc", b"")[:-1]),
        packed(HEAD + step(b"", b"", stdout=-5)),
        packed(HEAD + b"\0" * (MAX_BYTES + 1)),
        packed(HEAD)[:-8],
        base64.b64encode(b"plain").decode(),
    ],
    ids=len,
)
def test_what_is_no_report(text: str) -> None:
    with pytest.raises(VsphereError, match="no report of a deployment"):
        read_report(text)
