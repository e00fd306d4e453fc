# attack: directories too deep, too many or locked to be packed and removed
# tries: 3,000 directories in each other, in the middle some without any right; 5,000 side by side; locked trees, names that change while they are packed, files that
#   grow meanwhile, immutable flags; with saving, so that all of it is walked, and with the next request right after.
# source: stack overflows of recursive tree walkers (CVE-2021-3997 in systemd, rm and tar of their time), field test 35
# expect: an archive or a refusal, in less than 20 s; the next request is served by a clean sandbox
# stopped-by: mount_namespace
# on: host
# control: own
# timeout: 180
import time

from attack import CONTROL, broke, held, served
from execution import address, run

DEEP = """python3 - <<'EOF'
import os
for level in range({levels}):
    os.mkdir("d"); os.chdir("d")
    if level % 1000 == 500:
        open("f", "w").write("x" * 100)
{more}
EOF"""
CASES = {
    "3,000 levels": DEEP.format(levels=3000, more=""),
    "3,000 levels, locked at the end": DEEP.format(levels=3000, more="os.mkdir('x'); os.chmod('.', 0)"),
    "locked in the middle": "mkdir -p a/b/c/d; echo x > a/b/c/d/f; chmod 000 a/b/c a/b; chmod 111 a",
    "all locked": "for i in $(seq 200); do mkdir d$i; echo x > d$i/f; chmod 000 d$i/f d$i; done; chmod 000 .",
    "5,000 side by side": "python3 -c 'import os; [os.mkdir(str(i)) for i in range(5000)]'",
    "moving": "mkdir a b; echo x > a/f; (while :; do mv a b/a; mv b/a a; done) >/dev/null 2>&1 & true",
    "growing": "(i=0; while :; do i=$((i+1)); echo x > f$i; echo more >> f0; done) >/dev/null 2>&1 & sleep 0.1",
    "immutable": "echo x > f; chattr +i f 2>/dev/null; chattr +a . 2>/dev/null; python3 -c 'import fcntl, os, struct; fcntl.ioctl(os.open(\"f\", 0), 0x40086602, struct.pack(\"l\", 0x30))' 2>/dev/null; true",
    "a loop of links": "ln -s . l; ln -s .. m; mkdir d; ln -s ../d d/d",
    "hard links": "echo x > f; for i in $(seq 2000); do ln f l$i; done",
}
longest = 0
for what, command in CASES.items():
    began = time.monotonic()
    try:
        run(["-" + command if not CONTROL else command], save=True, timeout=60)
    except RecursionError:
        broke(f"{what}: the recursion has no end")
    except OSError as error:
        broke(f"{what}: {error}")
    took = time.monotonic() - began
    longest = max(longest, took)
    if took > 20:
        broke(f"{what}: {took:.0f} s")
    if not CONTROL:
        served(address())
        clean = run(["ls -A", "ls -A /tmp /var/tmp /dev/shm | grep -v ':' | tr -d '\\n'"])
        if any(output.strip() for output in clean.outputs):
            broke(f"after {what}: the next request finds {clean.outputs}")
held(f"{len(CASES)} trees, the longest took {longest:.1f} s")
