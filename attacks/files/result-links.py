# attack: a result that is somebody else's file
# tries: Result paths that are absolute, lead upwards, or go through symbolic links as the file itself, as a directory of the path, as a chain, through /proc; hard links;
#   and links that a process left behind swaps with files, directories and each other while the result is read, 40 rounds of 3 kinds.
# source: Judge0 CVE-2024-28185 and CVE-2024-28189, go-judge #176, compiler-explorer #6026
# expect: no file of the host comes back, whatever the path
# stopped-by: mount_namespace, pid_namespace
# on: host
# control: own
# timeout: 120
import os
import tempfile

from attack import broke, held
from execution import run

SWAP = {
    "the file": "echo inside > f; ln -s {secret} l; (while :; do mv -T --exchange f l 2>/dev/null || {{ ln -sfn {secret} r; cp f r2; mv -f r2 r; }}; ln -sfn {secret} r; "
                "cp -f f r2; mv -f r2 r; done) >/dev/null 2>&1 & sleep 0.05",
    "a directory of the path": "mkdir d e; echo inside > d/secret; (while :; do mv -T d x; ln -sfn {place} d; rm d; mv -T x d; done) >/dev/null 2>&1 & sleep 0.05",
    "two links": "(while :; do ln -sfn /etc/hostname r; ln -sfn {secret} r; ln -sfn /proc/1/environ r; done) >/dev/null 2>&1 & sleep 0.05",
}

with tempfile.TemporaryDirectory() as place:
    os.chmod(place, 0o755)
    secret = os.path.join(place, "secret")
    with open(secret, "w") as file:
        file.write("a secret of the host")
    os.chmod(secret, 0o644)
    up = "../" * 14 + secret.lstrip("/")
    still = [("true", secret), ("true", up), (f"ln -s {secret} r", "r"), (f"ln -s {up} r", "r"), (f"ln -s {place} d", "d/secret"), ("ln -s / d", "d" + secret),
             (f"ln -s {secret} a; ln -s a b; ln -s b r", "r"), (f"ln {secret} r", "r"), (f"ln -s /proc/self/root{secret} r", "r"), (f"ln -s /proc/1/root{secret} r", "r"),
             (f"ln -s /proc/1/cwd/../../../../..{secret} r", "r"), ("ln -s /proc/self/cwd d", "d/../../../../../../.." + secret), (f"mkdir d; ln -s ../../../../../../../..{place} d/e", "d/e/secret"),
             (f"ln -s {secret} '-r'", "-r"), (f"mkdir ' '; ln -s {secret} ' /r'", " /r"), ("true", "./././" + up), ("true", "." + secret), ("true", "file://" + secret)]
    tried = 0
    for command, path in still:
        tried += 1
        try:
            answer = run([command], path)
        except (OSError, ValueError):
            continue
        if answer and answer.result and "secret" in answer.result:
            broke(f"{command!r}, result {path!r}: {answer.result[:60]!r}")
    for what, command in SWAP.items():
        for round in range(40):
            tried += 1
            answer = run(["-" + command.format(secret=secret, place=place)], "d/secret" if "directory" in what else "r")
            if answer and answer.result and "secret" in answer.result:
                broke(f"{what} swapped: {answer.result[:60]!r} in round {round}")
held(f"{tried} requests, no file of the host")
