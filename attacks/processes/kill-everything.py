#!/usr/bin/env python3
# attack: kill, stop and confuse everything in reach, and see whether the next command of the request suffers
# tries: kill(-1) with SIGKILL, SIGSTOP and each other signal, then the next command of the same request, and the next request.
# source: field notes 5b 5; boxes whose supervisor lives inside (docker exec without an init)
# expect: the next command and the next request run as if nothing had been
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import subprocess

from two_runs import CONTROL, broke, held, server, unclear

KILL = "import os;[os.kill(-1,n) for n in {0}];os.kill(os.getpid(),9)"
if CONTROL:
    # Beside the attack, a supervisor of the same user that waits to start the next command.
    script = f"(sleep 0.5; echo next) & python3 -c '{KILL.format('(9,)')}'; wait"
    done = subprocess.run(["unshare", "-Urpf", "sh", "-c", script], capture_output=True, text=True)
    broke("a supervisor beside the program is killed") if "next" not in done.stdout else unclear(done.stderr[-200:])
with server() as running:
    for signals in ("(9,)", "(19,)", "(15,2,1)", "(20,21,22,19)", "range(1,65)"):
        answer = running.execute(f'-python3 -c "{KILL.format(signals)}"', "echo next")
        entries = answer["execution"]
        if [entry["stdout"] for entry in entries][1:] != ["next"]:
            broke(f"after signals {signals} the next command did not run: {entries}")
        if running.execute("echo again")["execution"][0]["stdout"] != "again":
            broke(f"after signals {signals} the next request is not served")
held("commands and requests afterwards run as usual")
