"""What failed, as one line in words of this command's options."""

from __future__ import annotations

import click

from ..option_names import spell
from .spelling import spell_option


def describe_error(failure: BaseException) -> str:
    """What failed, in one line and in words of this command's options."""
    from ..errors import VsphereError
    from ..lab import LabError

    if isinstance(failure, VsphereError | LabError):
        text = spell(getattr(failure, "marked", str(failure)), spell_option)
    elif isinstance(failure, click.ClickException):
        text = failure.format_message()
    elif isinstance(failure, OSError) and failure.strerror:
        text = f"{failure.filename}: {failure.strerror}" if failure.filename else failure.strerror
    else:
        text = f"{type(failure).__name__}: {failure}; --debug shows where"
    return " ".join("; ".join([text, *notes_of(failure)]).split())


def notes_of(failure: BaseException) -> list[str]:
    """What the driver added to an error on its way, such as what its clean-up had to leave."""
    return list(getattr(failure, "__notes__", []))
