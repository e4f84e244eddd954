"""The ``vsphere-clone`` command: what the driver and the lab can do, for people and for shell scripts.

Takes options, gives tables or JSON on stdout, progress and errors on stderr, and an exit status. Each command's module
is imported when it is used, and imports the driver only when it runs.

The code, in the order in which it is best read:

1. ``group``       the top-level group: loads commands, turns errors into one line and an exit status
2. ``connection``  options and variables → a connected driver
3. ``output``      tables, JSON. ``error_messages``: what errors are called in terms of options
4. ``progress``    what is being done, on stderr; interrupts. ``board``: the same for many nodes
5. ``commands``    one file a verb; ``nodes``, how they find and show nodes
6. ``login``       how to log in and what to run there; ``session``, an open session into one node; ``run_in_one``
7. ``order``, ``customize``, ``script``  what is to be deployed; ``deploy_node``, ``deploy_group``  how
8. ``results``     how many nodes went; ``lines``, what they write
"""

from __future__ import annotations

import click

from .. import __version__
from .group import CommandGroup, debug_option

__all__ = ["main"]

EPILOG = """\b
Exit status:
  0    done
  1    failed; stderr says why
  2    wrong usage
  130  interrupted (143 when terminated); what was made is removed first
deploy and run end with their script's own exit status, the highest of many.

\b
Completion in bash (zsh and fish likewise):
  eval "$(_VSPHERE_CLONE_COMPLETE=bash_source vsphere-clone)"
"""

COMMANDS = (
    "configure-image",
    "copy",
    "deploy",
    "destroy",
    "doctor",
    "groups",
    "images",
    "lab",
    "locations",
    "nodes",
    "run",
    "sizes",
    "ssh",
    "type",
)
"""Each is in the module of its name in ``commands``, with _ for -."""


@click.group(cls=CommandGroup, names=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vsphere-clone")
@debug_option
def main() -> None:
    """Clone nodes from the images of a VMware vCenter, as on a cloud.

    Name the vCenter by a command's options or their variables (--ca-cert is VSPHERE_CLONE_CA_CERT), or use --lab for
    a simulated one on this machine.
    """
