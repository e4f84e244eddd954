"""The scripts that run one command in a guest and leave its result in a folder. (pure)

VMware Tools start a program and tell its exit code, for five minutes. The program started here is a small supervisor of
the command: it puts the command in a process group of its own, catches both outputs, ends the group when it is told to
end, and leaves one file, ``result``, with all there is to know. So nothing is lost when the result is not asked for in
time, and one download brings everything.
"""

from __future__ import annotations

__all__ = ["POSIX_SUPERVISOR", "WINDOWS_SUPERVISOR"]

POSIX_SUPERVISOR = r"""
d=$1 c=$2 live=$3
if ! mkdir "$d/run" 2>/dev/null; then
  [ -d "$d/run" ] || exit 125
  trap 'kill -TERM "$(cat "$d/run/pid")" 2>/dev/null' TERM
  while [ -d "$d" ] && [ ! -e "$d/result" ]; do sleep 1 & wait $!; done
  exit 0
fi
echo $$ >"$d/run/pid"
in=/dev/null; [ ! -e "$d/in" ] || in=$d/in
group=-; command -v setsid >/dev/null 2>&1 || group=
heed='env --default-signal=INT,QUIT'; $heed true 2>/dev/null || heed=
end() {
  kill -s TERM -- "$group$p" 2>/dev/null
  for i in 1 2 3 4 5; do kill -s 0 -- "$group$p" 2>/dev/null || break; sleep 0.2; done
  kill -s KILL -- "$group$p" 2>/dev/null
}
out=0 err=0
measure() { n=$(($(wc -c <"$d/out"))) m=$(($(wc -c <"$d/err"))); }
slice() { [ $2 -eq $3 ] || tail -c +$(($2 + 1)) "$d/$1" | head -c $(($3 - $2)); }
leave() {
  {
    printf '%s %s\n%s\n' "$2" $((n - out)) "$PWD" && slice out $out $n && slice err $err $m
  } >"$d/part" && mv "$d/part" "$d/$1" && out=$n err=$m
}
follow() {
  i=0 pause=0.1
  while sleep $pause && [ -d "$d/run/live" ]; do
    case $pause in 0.1) pause=0.3 ;; *) pause=1 ;; esac
    measure
    [ "$n $m" = "$out $err" ] || { leave "piece$i" 0 && i=$((i + 1)); }
  done
  echo $out $err >"$d/run/at"
}
ended= p= q=
trap 'ended=1; [ -z "$p" ] || end' TERM
$heed ${group:+setsid} "${SHELL:-/bin/sh}" -c "$c" <"$in" >"$d/out" 2>"$d/err" &
p=$!
[ -z "$live" ] || { mkdir "$d/run/live"; follow & q=$!; }
[ -z "$ended" ] || end
wait "$p"; s=$?
trap '' TERM
[ -z "$ended" ] || s=143
[ -z "$q" ] || { rmdir "$d/run/live"; wait "$q"; read -r out err <"$d/run/at" || exit "$s"; }
measure
leave result "$s"
exit "$s"
"""
"""The first line of the result: the exit status and the size of stdout; the second: the user's home; then both outputs.
While its output is followed, what has come since the last time is left as ``piece0``, ``piece1`` and so on, of the
same form, and the result has the rest: each byte is fetched once, as no file transfer begins in the middle.

Started twice, the second supervisor only waits for the first: a request whose reply was lost may be sent again. A
process group of its own, by setsid, is ended as a whole; what a system without setsid leaves running is not. A shell
has what it starts in the background ignore SIGINT and SIGQUIT; only a newer env (coreutils 8.31) undoes that. On a full
disk it may leave no result: then the exit code is known by VMware Tools, and the outputs are in ``out`` and ``err``.
"""

WINDOWS_SUPERVISOR = r"""
$d = <folder>
$run = 'chcp 65001 >nul & (cmd.exe /d /s /c !LIBCLOUD_COMMAND!) <' + <input>
$line = '/d /s /v:on /c "' + $run + ' >"' + $d + '\out" 2>"' + $d + '\err""'
$start = New-Object System.Diagnostics.ProcessStartInfo -ArgumentList "$env:SystemRoot\System32\cmd.exe", $line
$start.EnvironmentVariables['LIBCLOUD_COMMAND'] = <command>
$start.UseShellExecute = $false
$start.WorkingDirectory = $env:USERPROFILE
$p = [System.Diagnostics.Process]::Start($start)
$p.WaitForExit()
$file = [IO.File]::Create("$d\part")
$out = [IO.File]::Open("$d\out", 'Open', 'Read', 'ReadWrite')
$head = "$($p.ExitCode) $($out.Length)`n$env:USERPROFILE`n"
$bytes = [Text.Encoding]::UTF8.GetBytes($head)
$file.Write($bytes, 0, $bytes.Length)
$out.CopyTo($file)
$err = [IO.File]::Open("$d\err", 'Open', 'Read', 'ReadWrite')
$err.CopyTo($file)
$file.Close()
[IO.File]::Move("$d\part", "$d\result")
exit $p.ExitCode
"""
"""The command comes by a variable that is only expanded when the line has been understood ("cmd /?", /V:ON): whatever
quotes and brackets are in it, the redirections are of the whole.
"""
