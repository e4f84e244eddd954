from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from libcloud_vsphere_clone.errors import TaskError, VsphereError
from libcloud_vsphere_clone.sessions.pull.callback import MAX_BYTES, CallbackReceiver
from tests.sessions.pull.test_report import HEAD, packed

REPORT = {"token": "t", "report": packed(HEAD)}


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver("127.0.0.1") as receiver:
        yield receiver


@pytest.fixture
def url(receiver: CallbackReceiver) -> str:
    """Where the guest with the token ``t`` posts."""
    return receiver.expect("t")


def post(url: str, body: Any, method: str = "POST", **headers: str) -> int:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=60)) as connection:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, parts.path, text, headers)
        return connection.getresponse().status


def test_a_report_is_taken_once_and_given_out_once(receiver: CallbackReceiver, url: str) -> None:
    assert receiver.take("t", timeout_s=0) is None
    assert [post(url, REPORT), post(url, REPORT)] == [204, 404]
    report = receiver.take("t", timeout_s=60)
    assert report
    assert report.home == "/root"
    assert receiver.take("t", timeout_s=0) is None
    assert post(url, REPORT) == 404


@pytest.mark.parametrize("body", [{"token": "other"}, {"token": None}, {"token": "\ud800"}, {}, [], "t", b"{", b"\xff"])
def test_strangers_are_refused(receiver: CallbackReceiver, url: str, body: Any) -> None:
    assert post(url, body) == 403
    assert receiver.take("t", timeout_s=0) is None
    assert post(url, REPORT) == 204  # what a stranger posts does not stand in the way


def test_nests_of_lists_are_refused(url: str) -> None:
    assert post(url, b"[" * 100_000) == 403


@pytest.mark.parametrize("path", ["", "t", "../t", "x" * 64, "?t", "%74"])
def test_an_address_that_no_guest_has(receiver: CallbackReceiver, url: str, path: str) -> None:
    assert post(receiver.url + path, REPORT) == 404
    assert post(receiver.url + path, b"", **{"Content-Length": str(MAX_BYTES + 1)}) == 404  # unread
    assert receiver.take("t", timeout_s=0) is None


def test_nothing_can_be_got_from_it(url: str) -> None:
    assert post(url, b"", "GET") == 501
    assert post(url, REPORT, "PUT") == 501


@pytest.mark.parametrize("length", [str(MAX_BYTES + 1), "-1", "many"])
def test_long_ones_are_refused_unread(url: str, length: str) -> None:
    assert post(url, b"", **{"Content-Length": length}) == 413


def test_guests_are_known_apart(receiver: CallbackReceiver) -> None:
    urls = {token: receiver.expect(token) for token in "abc"}
    assert len(set(urls.values())) == 3
    assert post(urls["a"], {"token": "b", "report": packed(HEAD)}) == 403
    for token in "cab":
        assert post(urls[token], {"token": token, "failure": f"of {token}"}) == 204
    for token in "abc":
        with pytest.raises(TaskError, match=f"of {token}"):
            receiver.take(token, timeout_s=5)


def test_many_reports_at_once_are_all_taken(receiver: CallbackReceiver) -> None:
    urls = {f"t{number}": receiver.expect(f"t{number}") for number in range(60)}
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda token: post(urls[token], {**REPORT, "token": token}), urls))
    assert answers == [204] * 60
    assert all(receiver.take(token, timeout_s=0) for token in urls)


def test_a_forgotten_report_is_refused(receiver: CallbackReceiver, url: str) -> None:
    receiver.forget("t")
    assert post(url, REPORT) == 404
    receiver.forget("t")
    assert post(receiver.expect("t"), REPORT) == 204
    receiver.forget("t")
    assert receiver.take("t", timeout_s=0) is None


def test_the_address_as_guests_see_it(receiver: CallbackReceiver, url: str) -> None:
    path = urlsplit(url).path
    assert "t" not in path
    assert receiver.expect("t", "https://front.example.com/reports/") == f"https://front.example.com/reports{path}"


def test_a_receiver_can_be_at_an_ipv6_address() -> None:
    try:
        receiver = CallbackReceiver("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with receiver:
        assert receiver.url.startswith("http://[::1]:")
        assert post(receiver.expect("t"), REPORT) == 204


def test_a_guest_that_goes_away(receiver: CallbackReceiver, url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(f"POST {parts.path} HTTP/1.1\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert post(url, REPORT) == 204


def test_guest_may_say_that_it_cannot(receiver: CallbackReceiver, url: str) -> None:
    assert post(url, {"token": "t", "failure": "no user x"}) == 204
    with pytest.raises(TaskError, match="cannot carry out the deployment: no user x"):
        receiver.take("t", timeout_s=60)


def test_known_token_with_no_report(receiver: CallbackReceiver, url: str) -> None:
    assert post(url, {"token": "t"}) == 204
    with pytest.raises(VsphereError, match="no report"):
        receiver.take("t", timeout_s=60)


def test_closing_a_receiver_that_was_never_started() -> None:
    CallbackReceiver("127.0.0.1").close()
