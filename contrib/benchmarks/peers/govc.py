"""govc, a process per command as in shell scripts. Its login is kept between commands, as it does by default."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TEMPLATE = "/lab-dc/vm/jclouds-images/debian-12"
DATASTORE = "shared-1"
POOL = "/lab-dc/host/cluster-drs/Resources"


class Govc:
    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        password: str,
        ca_cert: str,
        program: str,
        in_flight: int = 1,
        **_: Any,
    ) -> None:
        self._home = tempfile.TemporaryDirectory()
        self._program = program
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": self._home.name,
            "GOVMOMI_HOME": self._home.name,
            "GOVC_URL": f"https://{host}:{port}/sdk",
            "GOVC_USERNAME": username,
            "GOVC_PASSWORD": password,
            "GOVC_TLS_CA_CERTS": ca_cert,
        }
        self._in_flight = in_flight
        self._run("about")
        self._idle_kib = _peak_kib()

    def close(self) -> None:
        self._home.cleanup()

    def grown_kib(self) -> int:
        """Peak memory beyond that of a command which lists nothing."""
        return max(0, _peak_kib() - self._idle_kib)

    def list_cold(self) -> int:
        paths = self._run("find", "/", "-type", "m").split("\n")
        answer = json.loads(self._run("vm.info", "-json", *filter(None, paths)))
        return len(answer["virtualMachines"])

    def list_glob(self) -> int:
        """One folder's VMs, which it finds in a few round trips."""
        return len(json.loads(self._run("vm.info", "-json", "/lab-dc/vm/load/*"))["virtualMachines"] or [])

    def get_by_id(self, node_id: str, name: str) -> int:
        return len(json.loads(self._run("vm.info", "-json", "-vm.uuid", node_id))["virtualMachines"])

    def get_by_name(self, node_id: str, name: str) -> int:
        return len(json.loads(self._run("vm.info", "-json", name))["virtualMachines"])

    def list_images(self) -> int:
        return len(self._run("find", "/lab-dc/vm/jclouds-images", "-type", "m").split())

    def create(self, group: str, count: int) -> int:
        def clone(name: str) -> None:
            self._run(
                "vm.clone", "-vm", TEMPLATE, "-folder", f"/lab-dc/vm/{group}", "-pool", POOL, "-ds", DATASTORE, name
            )

        with ThreadPoolExecutor(self._in_flight) as pool:
            list(pool.map(clone, _names(group, count)))
        return count

    def destroy(self, group: str, count: int) -> int:
        with ThreadPoolExecutor(self._in_flight) as pool:
            list(pool.map(lambda name: self._run("vm.destroy", name), _names(group, count)))
        return count

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [self._program, *words], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = done.stderr.replace(self._program, "").strip(": \n")
            raise RuntimeError(f"govc {words[0]}: {reason[-150:]}")
        return done.stdout


def _names(group: str, count: int) -> list[str]:
    return [f"{group}-{number}" for number in range(count)]


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


PEER = Govc
