"""Ctrl-C: at any moment of a call, in a program of its own; in this process, with a word when it is noticed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from libcloud_vsphere_clone.lab import Lab

Interrupted = Callable[..., "subprocess.Popen[str]"]
"""A function that starts ``PROGRAM`` with a call and runs of it; options of Python may follow."""

PROGRAM = """
import json, os, signal, sys, threading
from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.operations import provision  # see below

words, runs = json.loads(sys.argv[1]), json.loads(sys.argv[2])
with VsphereCloneNodeDriver(**words) as driver:
    image = driver.ex_get_image_by_name("debian-12")
    driver.ex_find_placement(None, image)  # loads what plans: an interrupted import warns of its open file
    for moments in runs:
        try:
            for moment in moments:
                threading.Timer(moment, os.kill, (os.getpid(), signal.SIGINT)).start()
            {call}
            print("made")
        except KeyboardInterrupt as interrupt:
            print("interrupted", *getattr(interrupt, "__notes__", []), sep="|")
"""
"""A program that makes a call per run, and interrupts it at the run's moments, in seconds after its start."""


@contextmanager
def interrupted_programs(lab: Lab) -> Iterator[Interrupted]:
    """Start programs on the lab; whatever fails, they have ended in the end."""
    words = {"key": lab.username, "secret": lab.password, "host": lab.host, "port": lab.port, "ca_cert": lab.ca_cert}
    started: list[subprocess.Popen[str]] = []

    def start(call: str, runs: list[list[float]], *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, *options, "-c", PROGRAM.format(call=call), json.dumps(words), json.dumps(runs)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


@contextmanager
def noticing() -> Iterator[threading.Event]:
    """Set when the main thread notices an interrupt: one that comes just before it waits is noticed after the wait.

    Further ones are ignored until it is cleared.
    """
    event = threading.Event()

    def notice(*_: object) -> None:
        if not event.is_set():
            event.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, notice)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
