from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from libcloud_vsphere_clone.errors import TaskError, VsphereError
from libcloud_vsphere_clone.guest.callback import MAX_BYTES, CallbackReceiver
from tests.guest.test_report import HEAD, packed


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver("127.0.0.1") as receiver:
        receiver.expect("t")
        yield receiver


def post(receiver: CallbackReceiver, body: Any, **headers: str) -> int:
    with closing(http.client.HTTPConnection(urlsplit(receiver.url).netloc, timeout=60)) as connection:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", "/", text, headers)
        return connection.getresponse().status


def test_report_is_taken_once(receiver: CallbackReceiver) -> None:
    posted = {"token": "t", "report": packed(HEAD)}
    assert receiver.take("t", timeout_s=0) is None
    assert [post(receiver, posted), post(receiver, posted)] == [204, 403]
    report = receiver.take("t", timeout_s=60)
    assert report
    assert report.home == "/root"


@pytest.mark.parametrize("body", [{"token": "other"}, {"token": None}, {}, [], "t", b"{", b"\xff"])
def test_strangers_are_refused(receiver: CallbackReceiver, body: Any) -> None:
    assert post(receiver, body) == 403
    assert receiver.take("t", timeout_s=0) is None


def test_long_ones_are_refused_unread(receiver: CallbackReceiver) -> None:
    assert post(receiver, b"", **{"Content-Length": str(MAX_BYTES + 1)}) == 413


def test_guest_may_say_that_it_cannot(receiver: CallbackReceiver) -> None:
    assert post(receiver, {"token": "t", "failure": "no user x"}) == 204
    with pytest.raises(TaskError, match="cannot carry out the deployment: no user x"):
        receiver.take("t", timeout_s=60)


def test_known_token_with_no_report(receiver: CallbackReceiver) -> None:
    assert post(receiver, {"token": "t"}) == 204
    with pytest.raises(VsphereError, match="no report"):
        receiver.take("t", timeout_s=60)


def test_closing_a_receiver_that_was_never_started() -> None:
    CallbackReceiver("127.0.0.1").close()
