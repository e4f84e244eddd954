"""The certificate of the ESXi host that has a VM, on vCenter's word: a VM in, a pin out.

Hosts have certificates of vCenter's own authority, which few machines know. A vCenter that we trust knows its hosts'.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterable

from .properties import fetch_row
from .rows import Ref
from .session import Session

__all__ = ["fetch_host_pin"]


def fetch_host_pin(session: Session, vm: Ref) -> str | None:
    """The SHA-256 of the certificate of the host that has the VM; None when vCenter does not tell. Two reads.

    Source: VirtualMachine.runtime.host, HostConfigInfo.certificate (vSphere Web Services API).
    """
    row = fetch_row(session, vm, ("runtime.host",))
    host = row and row.get("runtime.host")
    if not isinstance(host, Ref):
        return None
    found = fetch_row(session, host, ("config.certificate",))
    return _pin_of((found and found.get("config.certificate")) or ())


def _pin_of(signed_bytes: Iterable[int | str]) -> str | None:
    """The pin of a PEM text that comes byte by byte, each as xsd:byte: from -128 to 127."""
    text = bytes(int(value) & 0xFF for value in signed_bytes).decode("ascii", errors="replace").strip("\0 \r\n")
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    except ValueError:
        return None
