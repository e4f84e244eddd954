"""What goes wrong over WinRM: pypsrp's errors, and those of its parts, in; this package's out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import requests
from pypsrp.exceptions import AuthenticationError as LoginRefused
from pypsrp.exceptions import WinRMError, WinRMTransportError, WSManFaultError
from spnego.exceptions import SpnegoError

from ...errors import AuthenticationError, ConnectionFailedError
from .login import WinRMLogin

__all__ = ["translated"]

ACCESS_DENIED = 5


@contextlib.contextmanager
def translated(login: WinRMLogin) -> Iterator[None]:
    """What pypsrp and its parts raise in the block, as this package's errors.

    :raises AuthenticationError: the guest refuses the login.
    :raises ConnectionFailedError: everything else.
    """
    where = f"{login.hostname} port {login.port}"
    try:
        with _without_requests():
            yield
    except LoginRefused as error:
        raise AuthenticationError(
            f"{where} refused the login as {login.username!r} by {login.auth}", fault=error
        ) from error
    except SpnegoError as error:
        reason = f"no login as {login.username!r} by {login.auth} could be made for {where}: {error}"
        raise AuthenticationError(reason, fault=error) from error
    except WSManFaultError as error:
        if error.code == ACCESS_DENIED:
            reason = (
                f"{where} knows {login.username!r} and lets it open no remote shell: put it into the guest's group "
                "Administrators or Remote Management Users"
            )
            raise AuthenticationError(reason, fault=error) from error
        raise _failed(where, str(error.reason or error), error) from error
    except WinRMTransportError as error:
        raise _failed(where, f"its answer is HTTP {error.code}; does WinRM listen there?", error) from error
    except (requests.RequestException, WinRMError, OSError) as error:
        raise _failed(where, _reason(error), error) from error


@contextlib.contextmanager
def _without_requests() -> Iterator[None]:
    """Strip errors in the block of the requests that failed: their headers may hold the password."""
    try:
        yield
    except Exception as raised:
        error: BaseException | None = raised
        while error is not None:
            if isinstance(error, requests.RequestException):
                error.request = error.response = None
            error = error.__cause__ or error.__context__
        raise


def _failed(where: str, reason: str, error: Exception) -> ConnectionFailedError:
    return ConnectionFailedError(f"WinRM to {where} failed: {reason}", fault=error)


def _reason(error: Exception) -> str:
    """What a chain of wrapped errors is about: the text of the innermost."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while (deeper := getattr(inner, "reason", None) or inner.__context__) is not None:
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    return getattr(inner, "strerror", None) or getattr(inner, "verify_message", None) or str(inner)
