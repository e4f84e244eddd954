"""``cli/commands/type.py``: what reaches a node's console."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from libcloud.compute.base import Node

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]


@pytest.fixture
def node(bare_cleared: Lab) -> Iterator[Node]:
    """A node that is on."""
    with bare_cleared.driver() as driver:
        yield driver.create_node("silent", None, driver.ex_get_image_by_name("debian-12"), ex_group="shop")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give what to type"),
        (["-", "-"], "can be read only once"),
        (["", ""], "give what to type"),
    ],
)
def test_wrong_usage_connects_to_nothing(run: Run, words: list[str], said: str) -> None:
    refused = run("type", "web-1", *words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_keys(on_bare: Run, bare_lab: Lab, node: Node) -> None:
    typed = on_bare("type", "silent", "root<enter><wait10ms>", "<leftCtrlOn>c<leftCtrlOff>a < b", "--group", "shop")
    assert (typed.exit_code, typed.stdout) == (0, ""), typed.stderr
    assert typed.stderr == "typing on the console of silent\n"
    assert bare_lab.typed(node) == "root<enter><leftCtrlOn>c<leftCtrlOff>a < b"


def test_plain_text_from_standard_input(on_bare: Run, bare_lab: Lab, node: Node) -> None:
    typed = on_bare("type", str(node.id), "--plain", "echo ", "-", "--layout", "de", input="<z>\n")
    assert typed.exit_code == 0, typed.stderr
    assert bare_lab.typed(node).startswith("echo <0x64>y")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["caf\u00e9"], "error: the keyboard layout has no key for '\u00e9' (U+00E9)"),
        (["ab<entr>"], "error: <entr> at position 2 is no key"),
        (["a", "--layout", "dvorak"], "error: no keyboard layout 'dvorak': there are us, de, fr"),
    ],
)
def test_what_cannot_be_typed(on_bare: Run, bare_lab: Lab, node: Node, words: list[str], said: str) -> None:
    failed = on_bare("type", "silent", *words)
    assert failed.exit_code == 1
    assert said in failed.stderr.splitlines()[-1]
    assert bare_lab.typed(node) == ""


def test_what_came_from_standard_input_is_not_told(on_bare: Run, node: Node) -> None:
    failed = on_bare("type", "silent", "--plain", "-", input="hunter2\u00fc")
    assert failed.exit_code == 1
    assert "lacks 1 of the characters" in failed.stderr
    assert "hunter2" not in failed.output
    assert "\u00fc" not in failed.output


def test_nodes_that_are_off_or_others(on_bare: Run, make: Callable[..., str]) -> None:
    make("off")
    failed = on_bare("type", "off", "x")
    assert "console of 'off': it is poweredOff; start it first" in failed.stderr
    assert on_bare("type", "nowhere", "x").exit_code == 1


def test_an_interrupt(start: Callable[..., subprocess.Popen[str]], bare_lab: Lab, node: Node) -> None:
    process = start("type", "silent", "<leftCtrlOn>a<wait60s>b", f"--lab={bare_lab.name}")
    deadline = time.monotonic() + 120
    while not bare_lab.typed(node) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "interrupted; a part of it is typed on the console of silent"
    assert bare_lab.typed(node) == "<leftCtrlOn>a<leftCtrlOff>"
