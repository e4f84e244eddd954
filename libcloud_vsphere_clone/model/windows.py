"""What only Windows asks for when it is made a machine of its own. (pure)

Source: CustomizationSysprep and the types in it (vSphere Web Services API).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import InvalidRequestError
from .host_name import MAX_NETBIOS_LENGTH, check_domain
from .names import check_text

__all__ = ["Windows"]

_PRODUCT_KEY = re.compile(r"[A-Z0-9]{5}(-[A-Z0-9]{5}){4}", re.IGNORECASE)
_WORKGROUP = re.compile(r'[^"/\\\[\]:;|=,+*?<>\0]+')
_TEXTS = (
    *("organization", "full_name", "product_key", "workgroup"),
    *("domain", "domain_user", "domain_password", "organizational_unit"),
)
_LICENSES = ("perServer", "perSeat")


@dataclass(frozen=True)
class Windows:
    """What only Windows asks for, in sysprep's words.

    The administrator's password is ``auth=NodeAuthPassword(...)``, the computer's name the option ``hostname``.

    What is not said is as a stored specification has it, else by default.

    :param organization: the holder of the licence, with ``full_name``; default ``Organization`` and ``Administrator``.
    :param product_key: needed where the image has no volume licence.
    :param workgroup: default WORKGROUP; or ``domain`` with the user and the password that may join it.
    :param organizational_unit: where in the domain, e.g. ``OU=web,DC=example,DC=com``; vSphere 8.0 U2 and later.
    :param auto_logon_count: how often the administrator is logged on by itself; default 0, for not.
    :param run_once: commands of the first log-on.
    :param time_zone: Microsoft's index of the time zone (CustomizationGuiUnattended.timeZone); else ``timezone``.
    :param license_mode: ``perServer`` or ``perSeat``, which only Windows Server 2003 and older need.
    :param license_users: how many connections a ``perServer`` licence has.
    """

    organization: str | None = None
    full_name: str | None = None
    product_key: str | None = field(default=None, repr=False)
    workgroup: str | None = None
    domain: str | None = None
    domain_user: str | None = None
    domain_password: str | None = field(default=None, repr=False)
    organizational_unit: str | None = None
    auto_logon_count: int | None = None
    run_once: Sequence[str] = ()
    time_zone: int | None = None
    license_mode: str | None = None
    license_users: int | None = None

    def __post_init__(self) -> None:
        self._check_texts()
        if self.product_key is not None and not _PRODUCT_KEY.fullmatch(self.product_key):
            raise InvalidRequestError("Windows(): product_key must look like XXXXX-XXXXX-XXXXX-XXXXX-XXXXX")
        self._check_membership()
        self._check_numbers()

    def _check_texts(self) -> None:
        """No text is shown: there are passwords among them."""
        for word in _TEXTS:
            text = getattr(self, word)
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise InvalidRequestError(f"Windows(): {word} must be a text")
            check_text(text or "", f"Windows(): {word}")
        commands = self.run_once
        if not isinstance(commands, list | tuple) or not all(isinstance(c, str) and c.strip() for c in commands):
            raise InvalidRequestError("Windows(): run_once must be a list of commands")
        check_text("".join(commands), "Windows(): run_once")

    def _check_membership(self) -> None:
        if self.workgroup is not None and self.domain is not None:
            raise InvalidRequestError("Windows(): a computer is in a workgroup or in a domain; give one of them")
        if self.workgroup is not None and (
            len(self.workgroup) > MAX_NETBIOS_LENGTH or not _WORKGROUP.fullmatch(self.workgroup)
        ):
            raise InvalidRequestError(f"Windows(): {self.workgroup!r} can't be a workgroup's name")
        if self.domain is not None:
            check_domain(self.domain, "Windows(domain=)")
        credentials = (self.domain_user, self.domain_password)
        if (self.domain is not None) != all(credentials) or any(credentials) != all(credentials):
            raise InvalidRequestError(
                "Windows(): joining a domain takes domain=, domain_user= and domain_password= together"
            )
        if self.organizational_unit is not None and self.domain is None:
            raise InvalidRequestError("Windows(): organizational_unit= is a place in a domain; give domain= too")

    def _check_numbers(self) -> None:
        numbers = {
            "auto_logon_count": self.auto_logon_count,
            "time_zone": self.time_zone,
            "license_users": self.license_users,
        }
        for word, number in numbers.items():
            if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
                raise InvalidRequestError(f"Windows(): {word} must be a whole number from 0 on, got {number!r}")
        if self.license_mode is not None and self.license_mode not in _LICENSES:
            raise InvalidRequestError(f"Windows(): license_mode must be one of {', '.join(_LICENSES)}")
        if (self.license_mode == "perServer") != (self.license_users is not None):
            raise InvalidRequestError("Windows(): license_mode='perServer' and license_users= go together")
