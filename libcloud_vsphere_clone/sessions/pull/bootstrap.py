"""The script by which a guest carries out a deployment at its first boot, and reports. (no I/O)

Takes steps; gives one POSIX shell script. What it needs in the guest: base64, gzip and setpriv or su, which every
Linux that cloud-init runs on has; and VMware Tools or, for a report by HTTP, one of curl, wget and python3.

The script removes itself and its files when it ends, and prints nothing, so that nothing of it is in cloud-init's
output log. cloud-init keeps its own copy of the user data, for root only: /var/lib/cloud/instance/user-data.txt.

The report is base64 of gzip of: a JSON line ``{"token", "home"}``; then for each step a JSON line ``{"step",
"exit_status", "timed_out", "stdout", "stderr", "stdout_size", "stderr_size"}``, with the bytes of both outputs right
behind it: ``stdout`` of the first, ``stderr`` of the second. The sizes are those before they were cut.
"""

from __future__ import annotations

import base64
import posixpath
import re
import shlex
import textwrap
from collections.abc import Sequence

from ...errors import InvalidRequestError
from ..steps import Delete, Put, Run, Step

__all__ = ["build_bootstrap"]

OUTPUT_BYTES = 32 * 1024
"""Bytes of each output in a report through guestinfo; the ends are kept. Fewer when the whole would be too long."""
REPORT_BYTES = 48 * 1024
"""Bytes of a whole report through guestinfo. One message of the guest has 64 KiB at most (GuestRPC)."""
POSTED_OUTPUT_BYTES = 1024 * 1024
POSTED_REPORT_BYTES = 6 * 1024 * 1024

USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
REPORT_URL = re.compile(r"https?://[!-~]+")


def build_bootstrap(steps: Sequence[Step], *, username: str = "root", token: str, report_url: str | None = None) -> str:
    """The script. It runs as root, and its steps as the user, from the user's home.

    It ends with the first file that cannot be written or removed, and with the first command over its time, as a
    deployment over SSH does; a command's exit status does not end it.

    :param token: what the report begins with.
    :param report_url: where the report is posted, as JSON ``{"token", "report"}``; without it, the report goes into
        ``guestinfo.libcloud.report``.
    :raises InvalidRequestError: the user or the address cannot be one.
    """
    if not USER_NAME.fullmatch(username):
        raise InvalidRequestError(f"{username!r} can't be a user name in the guest")
    if report_url is not None and not REPORT_URL.fullmatch(report_url):
        raise InvalidRequestError(f"{report_url!r} can't be where a guest reports: give an http or https address")
    sizes = (POSTED_OUTPUT_BYTES, POSTED_REPORT_BYTES) if report_url else (OUTPUT_BYTES, REPORT_BYTES)
    settings = {
        "user": username,
        "token": token,
        "url": report_url or "",
        "count": str(len(steps)),
        "output_bytes": str(sizes[0]),
        "report_bytes": str(sizes[1]),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    body = [_step_line(number, step) for number, step in enumerate(steps, 1)]
    return "\n".join(
        [HEAD.rstrip(), *lines, FUNCTIONS.strip(), "", "carry_out() {", "    :", *body, "}", FOOT.lstrip()]
    )


def _step_line(number: int, step: Step) -> str:
    match step:
        case Run():
            limit = "" if step.timeout_s is None else f"{step.timeout_s:f}"
            return f"run_step {number} {shlex.quote(step.command)} {shlex.quote(limit)} || return"
        case Put():
            data = "\n".join(textwrap.wrap(base64.b64encode(step.contents).decode(), 76))
            return f"file_step {number} {shlex.quote(_write_command(step))} <<'LIBCLOUD' || return\n{data}\nLIBCLOUD"
        case Delete():
            path = _shell_path(step.path)
            return f"file_step {number} {shlex.quote(f'rm -- {path}')} </dev/null || return"


def _write_command(step: Put) -> str:
    path, folder = _shell_path(step.path), posixpath.dirname(step.path)
    words = [f"mkdir -p -m 755 -- {_shell_path(folder)}"] if folder else []
    if step.chmod is not None:  # before the contents: they may be secret
        words += [f": >> {path}", f"chmod {step.chmod:o} -- {path}"]
    return " && ".join([*words, f"cat {'>>' if step.append else '>'} {path}"])


def _shell_path(path: str) -> str:
    return shlex.quote(path if path.startswith("/") else f"./{path}")


HEAD = """\
#!/bin/sh
# Made by libcloud-vsphere-clone: carries out a deployment once, reports, and removes itself.
umask 077
exec </dev/null >/dev/null 2>&1
"""

FUNCTIONS = r"""
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH="$path"
work=$(mktemp -d /var/tmp/libcloud.XXXXXX) || exit 1
trap 'rm -rf "$work" "$0"' EXIT
trap 'cannot "the guest was shut down in step $at of $count"' TERM INT HUP
at=0

say() { # key, value
    message="info-set guestinfo.libcloud.$1 $2"
    vmware-rpctool "$message" || vmtoolsd --cmd "$message"
}

post() { # file
    for pause in 0 1 2 4 8; do
        sleep "$pause"
        curl -fsS -m 60 -H 'Content-Type: application/json' --data-binary @"$1" "$url" && return
        wget -q -T 60 -O /dev/null --header='Content-Type: application/json' --post-file="$1" "$url" && return
        for python in python3 /usr/libexec/platform-python; do
            "$python" -c '
import sys, urllib.request as u
data = open(sys.argv[1], "rb").read()
u.urlopen(u.Request(sys.argv[2], data, {"Content-Type": "application/json"}), timeout=60)
' "$1" "$url" && return
        done
    done
    return 1
}

cannot() { # why
    if [ -n "$url" ]; then
        printf '{"token": "%s", "failure": "%s"}' "$token" "$1" >"$work/post"
        post "$work/post"
    else
        say status "$token cannot $1"
    fi
    exit 1
}

account=$(getent passwd "$user")
[ -n "$account" ] || cannot "the guest has no user $user"
home=$(echo "$account" | cut -d: -f6)
shell=$(echo "$account" | cut -d: -f7)
[ -x "$shell" ] || shell=/bin/sh

as_user() { # shell, command: in place of this shell, with what sshd would give it
    umask 022
    cd "$home" || cd /
    session=$(command -v setsid)
    heed='env --default-signal=INT,QUIT' # which a shell has ignored by what it starts in the background
    $heed true || heed=env
    if [ "$user" = root ] || command -v setpriv; then
        drop=
        [ "$user" = root ] || drop="setpriv --reuid $user --regid $(id -g "$user") --init-groups"
        exec 1>&3 2>&4 3>&- 4>&-
        exec $session $drop $heed -i HOME="$home" USER="$user" LOGNAME="$user" SHELL="$shell" PATH="$path" "$1" -c "$2"
    fi
    option=-c # in some, it leaves our session, so that not all of it would end with us
    ! su --help | grep -q -e --session-command || option=--session-command
    exec 1>&3 2>&4 3>&- 4>&-
    exec $session $heed su -s "$1" "$option" "$2" "$user"
}

end() { # process: it and all that it started
    kill -TERM -"$1" || kill -TERM "$1"
    sleep 2
    kill -KILL -"$1" || kill -KILL "$1"
}

note() { # step, exit status, true if it took too long
    echo "$1 $2 $3" >>"$work/steps"
}

run_step() { # step, command, seconds or nothing
    at=$1
    [ -n "$url" ] || say status "$token running $1 of $count"
    ( as_user "$shell" "$2" ) 3>"$work/out.$1" 4>"$work/err.$1" &
    process=$!
    if [ -n "$3" ]; then
        (
            trap 'kill "$timer"; exit' TERM
            sleep "$3" &
            timer=$!
            wait "$timer"
            trap '' TERM
            : >"$work/late"
            end "$process"
        ) &
        watch=$!
    fi
    wait "$process"
    status=$?
    [ -z "$3" ] || kill -TERM "$watch"
    if [ -e "$work/late" ]; then
        note "$1" "$status" true
        return 1
    fi
    note "$1" "$status" false
}

file_step() { # step, command; its input, in base64
    base64 -d >"$work/data" || cannot "the guest could not decode step $1"
    ( as_user /bin/sh "$2" ) <"$work/data" 3>"$work/out.$1" 4>"$work/err.$1"
    status=$?
    rm -f "$work/data"
    note "$1" "$status" false
    return "$status"
}

size() { # file
    echo $(($(wc -c <"$1")))
}

compose() { # bytes of each output
    printf '{"token": "%s", "home": "%s"}\n' "$token" "$home"
    while read -r step status late; do
        printf '{"step": %s, "exit_status": %s, "timed_out": %s' "$step" "$status" "$late"
        for name in out err; do
            whole=$(size "$work/$name.$step")
            kept=$whole
            [ "$kept" -le "$1" ] || kept=$1
            printf ', "std%s": %s, "std%s_size": %s' "$name" "$kept" "$name" "$whole"
        done
        printf '}\n'
        tail -c "$1" "$work/out.$step"
        tail -c "$1" "$work/err.$step"
    done <"$work/steps"
}

report() {
    : >>"$work/steps"
    bytes=$output_bytes
    while :; do
        compose "$bytes" | gzip | base64 | tr -d '\n' >"$work/report"
        [ "$(size "$work/report")" -gt "$report_bytes" ] && [ "$bytes" -gt 0 ] || break
        bytes=$((bytes / 2))
    done
    if [ -n "$url" ]; then
        {
            printf '{"token": "%s", "report": "' "$token"
            cat "$work/report"
            printf '"}'
        } >"$work/post"
        post "$work/post"
    else
        say report "$(cat "$work/report")"
    fi
}
"""

FOOT = """
carry_out
report
exit 0
"""
