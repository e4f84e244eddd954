"""The guests' images: Debian 12 with cloud-init and sshd, and one as set up by hand.

Takes an engine, gives the names of the two images and the engine in the set-up in which it runs them. Builds
at most once per recipe: an image's tag is the hash of the files in ``guest/``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .build import Progress
from .engine import INSTALL_ENGINE, Engine, proven
from .errors import LabError
from .places import cache_directory, locked

log = logging.getLogger(__name__)

RECIPE = Path(__file__).parent / "guest"
PACKAGES = RECIPE / "packages"
REPOSITORY = "localhost/vsphere-lab"
REGISTRY_BASE = "docker.io/library/debian:12"
SUITE = "bookworm"
BUILD_TIMEOUT_S = 1200.0


@dataclass(frozen=True)
class GuestImages:
    """The names of the images, and the engine that has them and has run one.

    :param cloud_init: reads user data.
    :param static: has a root password and reads nothing.
    """

    engine: Engine
    cloud_init: str
    static: str


def ensure_guest_images(engine: Engine, on_progress: Progress = log.info) -> GuestImages:
    """Build the images that the engine lacks; returns both.

    :raises LabError: they can't be built or no container runs here; says why and what to install.
    """
    tag = _fingerprint()
    cloud_init, static = (f"{REPOSITORY}/{name}:{tag}" for name in ("debian-12", "debian-12-static"))
    if not (engine.has_image(cloud_init) and engine.has_image(static)):
        with locked("guest-image"):
            if not (engine.has_image(cloud_init) and engine.has_image(static)):
                engine = _build(engine, cloud_init, static, on_progress)
    if not engine.environment:
        engine = proven(engine, cloud_init, cache_directory())
    return GuestImages(engine, cloud_init, static)


def remove_guest_images(engine: Engine) -> list[str]:
    """Remove all images that labs of any version had built with this engine; returns their names."""
    names = engine.run("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    ours = [name for name in names if name.startswith(f"{REPOSITORY}/")]
    if ours:
        engine.check("remove the guest images", "rmi", *ours)
    return ours


def _fingerprint(*paths: Path) -> str:
    digest = hashlib.sha256(SUITE.encode())
    for path in paths or sorted(RECIPE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _build(engine: Engine, cloud_init: str, static: str, on_progress: Progress) -> Engine:
    began = time.monotonic()
    base = _ensure_base(engine, on_progress)
    engine = proven(engine, base, cache_directory())
    for image in (cloud_init, static):
        stage = image.rpartition("/")[2].partition(":")[0]
        on_progress(f"building the guest image {stage}")
        words = ["build", "--build-arg", f"BASE={base}", "--target", stage, "--tag", image]
        if engine.kind == "podman":
            words.append("--pull=never")
        engine.check(f"build the guest image {stage}", *words, str(RECIPE), timeout_s=BUILD_TIMEOUT_S)
    on_progress(f"built the guest images in {time.monotonic() - began:.0f} s")
    return engine


def _ensure_base(engine: Engine, on_progress: Progress) -> str:
    """A Debian 12 image: made here where mmdebstrap is, which needs no image registry; else pulled.

    Both go through the same Containerfile; it adds the packages that a pulled one lacks.
    """
    if shutil.which("mmdebstrap") and os.geteuid() == 0:
        base = f"{REPOSITORY}/base:{_fingerprint(PACKAGES)}"
        if not engine.has_image(base):
            _bootstrap(engine, base, on_progress)
        return base
    on_progress(f"pulling {REGISTRY_BASE}")
    pulled = engine.run("pull", REGISTRY_BASE, timeout_s=BUILD_TIMEOUT_S)
    if pulled.returncode and not engine.has_image(REGISTRY_BASE):
        raise LabError(
            f"could not get a Debian image for the guests: {engine.kind} cannot pull {REGISTRY_BASE}, and there is "
            f"no mmdebstrap to make one, which needs no registry; on Debian, as root: {INSTALL_ENGINE}"
        )
    return REGISTRY_BASE


def _bootstrap(engine: Engine, base: str, on_progress: Progress) -> None:
    on_progress("installing Debian 12 for the guests (mmdebstrap)")
    packages = ",".join(PACKAGES.read_text().split())
    unread = ("man", "doc", "locale")
    with tempfile.TemporaryDirectory(dir=cache_directory()) as folder:
        archive = Path(folder) / "base.tar"
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={packages}",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in unread),
            SUITE,
            str(archive),
        ]
        _run_bootstrap(command)
        on_progress("importing it")
        engine.check("import the guests' Debian", "import", str(archive), base, timeout_s=BUILD_TIMEOUT_S)


def _run_bootstrap(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT_S)
    except subprocess.TimeoutExpired as cause:
        message = f"could not install Debian for the guests: mmdebstrap took over {BUILD_TIMEOUT_S:.0f} s"
        raise LabError(f"{message}; is a Debian mirror reachable?") from cause
    if done.returncode:
        raise LabError(f"could not install Debian for the guests: mmdebstrap said: {done.stderr.strip()[-1500:]}")
