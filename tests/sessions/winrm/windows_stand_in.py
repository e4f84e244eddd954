"""A fake: cmd.exe and PowerShell as far as the WinRM client's own commands go. There is no Windows here.

Called by the lab's WinRM server with a folder, which stands for drive C:, and a command line. Scripts are run by
/bin/sh; of PowerShell it knows the scripts that write and delete files, by what they say.
"""

from __future__ import annotations

import base64
import hashlib
import ntpath
import re
import subprocess
import sys
from pathlib import Path

HOME = "C:\\Users\\Administrator"
PATH_IN_SCRIPT = re.compile(r"Combine\(\$env:USERPROFILE, '((?:[^']|'')*)'\)")


def absolute(path: str) -> str:
    return ntpath.join("C:", ntpath.normpath(ntpath.join(HOME, path)))


def local(folder: Path, path: str) -> Path:
    """Where a file of this path is, whatever the case of its letters."""
    return folder.joinpath(*absolute(path)[3:].lower().split("\\"))


def shell(*words: str) -> int:
    return subprocess.run(["/bin/sh", *words], check=False).returncode


def upload(folder: Path, path: str, *, append: bool) -> int:
    data, wanted = b"", ""
    for line in sys.stdin:
        if line.startswith("="):
            wanted = line[1:].strip()
        else:
            data += base64.b64decode(line, validate=False)
    if hashlib.sha256(data).hexdigest() != wanted:
        print("the file came damaged", file=sys.stderr)
        return 1
    target = local(folder, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab" if append else "wb") as file:
        file.write(data)
    print(absolute(path))
    return 0


def powershell(folder: Path, script: str) -> int:
    match = PATH_IN_SCRIPT.search(script)
    if match is None:
        return shell("-c", script.split("\n", 1)[1])
    path = match[1].replace("''", "'")
    if "begin {" in script:
        return upload(folder, path, append="'Append'" in script)
    if not local(folder, path).is_file():
        return 2
    local(folder, path).unlink()
    return 0


def main(folder: Path, line: str) -> int:
    if match := re.search(r"-EncodedCommand (\S+)$", line):
        return powershell(folder, base64.b64decode(match[1]).decode("utf-16-le"))
    if match := re.search(r'-File "([^"]+)"(.*)$', line) or re.match(r'"([^"]+\.(?:cmd|bat))"(.*)$', line):
        return shell(str(local(folder, match[1])), *match[2].split())
    return shell("-c", line)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
