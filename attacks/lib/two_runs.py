"""What the attacks of `carryover` and `processes` share that run on the host and drive belljar from outside.

The programs themselves are in the attacks' files, as text; this module only brings them into sandboxes: one after the other in the
same sandbox of a server (`after_another`), or at the same time in two (`side_by_side`). In the control run both halves run in *one*
sandbox, in one process, where what the first leaves is there for the second by right: the second must find it, or its search is
worth nothing.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

BELLJAR = os.environ.get("BELLJAR", "belljar")
# Set by the runner in the run that must break.
CONTROL = os.environ.get("ATTACK_CONTROL", "") not in ("", "0")
# Longer than anything here takes on a loaded machine; a wait, never a pause.
PATIENCE_S = 20


def held(reason):
    print(f"held: {reason}", flush=True)
    sys.exit(0)


def broke(what):
    print(f"broke: {what}", flush=True)
    sys.exit(99)


def unclear(why):
    print(f"unclear: {why}", flush=True)
    sys.exit(1)


def program(code):
    """Arguments that run Python code wherever there is a Python."""
    text = base64.b64encode(code.encode()).decode()
    return ["python3", "-c", f"import base64;exec(base64.b64decode('{text}'),{{}})"]


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("BELLJAR_")}


def flags():
    """Options that the runner adds to each `belljar run`, for the variant under test."""
    return os.environ.get("BELLJAR_FLAGS", "").split()


def belljar(*words):
    """The command line of belljar. The control run is in a process namespace of its own, where this is process 2 or so, as in other
    control runs at the same time: each would take the others' control groups for those of a dead one and remove them. So it sees none."""
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup; exec "$0" "$@"'] if CONTROL else []
    return [*hide, BELLJAR, *words]


def start(code, *options, **streams):
    """Starts Python code in a sandbox of its own."""
    command = belljar("run", *flags(), *options, "--", *program(code))
    return subprocess.Popen(command, text=True, env=clean_environment(), **streams)


def run(code, *options):
    """Runs Python code in a sandbox of its own; the whole outcome."""
    done = subprocess.run(
        belljar("run", *flags(), "--json", *options, "--", *program(code)),
        capture_output=True, text=True, env=clean_environment(), stdin=subprocess.DEVNULL, timeout=PATIENCE_S,
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        return unclear(f"belljar run: exit code {done.returncode}: {done.stdout[:200]!r} {done.stderr[:200]!r}")


class Server:
    """A server with one sandbox, so that each request gets the one that the request before had."""

    def __init__(self, url):
        self.url = url

    def execute(self, *commands):
        boundary = uuid.uuid4().hex
        config = json.dumps({"commands": list(commands)})
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="config"\r\n\r\n{config}\r\n--{boundary}--\r\n'
        request = urllib.request.Request(
            self.url + "/execute/", body.encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return json.load(opener.open(request, timeout=PATIENCE_S))
            except urllib.error.HTTPError as error:
                # The only sandbox is being renewed.
                if error.code != 503 or time.monotonic() > deadline:
                    unclear(f"the server says {error.code}: {error.read()[:200]!r}")

    def python(self, code):
        words = program(code)
        answer = self.execute(f"{words[0]} {words[1]} \"{words[2]}\"")["execution"][0]
        return answer["stdout"] + "\n" + answer["stderr"], answer["exit_code"]


@contextlib.contextmanager
def server(*settings):
    directory = tempfile.mkdtemp(prefix="belljar-attack-")
    # A server that root starts becomes somebody else.
    os.chmod(directory, 0o777)
    command = [BELLJAR, "serve", "--listen", "127.0.0.1:0", "--data-dir", directory + "/data"]
    for setting in ("execute.pool_size=1", "execute.wait_for_sandbox=10s", "log.filter=warn", *settings):
        command += ["--set", setting]
    if "--preset" in flags():
        command += ["--set", "execute.sandbox.preset=" + flags()[flags().index("--preset") + 1]]
    log = open(directory + "/log", "w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=clean_environment())
    try:
        line = process.stdout.readline()
        url = re.search(r"https?://[0-9.:]+", line)
        if not url:
            log.seek(0)
            unclear(f"no server: {line!r} {log.read()[:300]!r}")
        yield Server(url.group(0))
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(directory, ignore_errors=True)


# Tells which sandbox this is: its user namespace stays for as long as it does.
WHERE = "import os;print('sandbox:',os.readlink('/proc/self/ns/user'),flush=True)\n"


# In the control run `leave` and `find` are one program: what is printed as left is noted for the other half.
NOTING = """
LEFT=[]
def print(*words,say=print,**more):
    text=' '.join(map(str,words))
    if text.startswith('left: '): LEFT.append(text[6:])
    say(text,flush=True)
"""


def where(text):
    found = re.search(r"^sandbox: (.*)$", text, re.M)
    return found.group(1) if found else unclear(f"the program did not start: {text[:300]!r}")


def sandboxed(code, *options):
    """Runs Python code in a sandbox; what it did."""
    return subprocess.run(
        belljar("run", *flags(), *options, "--", *program(code)),
        capture_output=True, text=True, env=clean_environment(), stdin=subprocess.DEVNULL, timeout=PATIENCE_S,
    )


def lines(text, word):
    return re.findall(rf"^{word}: (.*)$", text, re.M)


def after_another(leave, find, settings=()):
    """`leave` in one request, `find` in the next, in the same sandbox. `find` prints `found: WHAT` for each trace of the first
    and `searched` at its end; `leave` prints `left: WHAT` when there is something to find. `find` may be a template with the name
    `LEFT` in it, which becomes the list of what was left."""
    if CONTROL:
        text = sandboxed(WHERE + NOTING + leave + "\n" + find)
        found = lines(text.stdout, "found")
        if found:
            broke("in one sandbox, of course: " + "; ".join(found)[:300])
        unclear(f"not even found in the same process: {text.stdout[:300]!r} {text.stderr[-300:]!r}")
    with server(*settings) as running:
        first, _ = running.python(WHERE + leave)
        second, _ = running.python(WHERE + f"LEFT={lines(first, 'left')!r}\n" + find)
    judge_pair(first, second)


def judge_pair(first, second):
    left, found = lines(first, "left"), lines(second, "found")
    if not left:
        unclear(f"nothing was left: {first[:400]!r}")
    if found:
        broke("; ".join(found)[:300])
    if "searched" not in second:
        unclear(f"the search did not end: {second[-400:]!r}")
    same = "in the same sandbox" if where(first) == where(second) else "the sandbox was replaced"
    held(f"left {len(left)} marks, found none, {same}")


def unchanged(disturb, snapshot, settings=(), ignore=()):
    """`snapshot` prints a JSON object; it must be the same before and after the request that runs `disturb`, in the same sandbox."""
    if CONTROL:
        code = snapshot + "\n" + disturb + "\n" + snapshot
        done = sandboxed(code)
        seen = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if len(seen) != 2:
            unclear(f"{done.stdout[:300]!r} {done.stderr[-300:]!r}")
        changed = differing(*seen, ignore)
        if changed:
            broke("in one sandbox, of course: " + changed)
        unclear("not even changed in the same process")
    with server(*settings) as running:
        running.python(WHERE + "print('warm')")
        before, _ = running.python(WHERE + snapshot)
        during, _ = running.python(WHERE + disturb)
        after, _ = running.python(WHERE + snapshot)
    seen = []
    for text in (before, after):
        objects = [line for line in text.splitlines() if line.startswith("{")]
        if not objects:
            unclear(f"no snapshot: {text[-400:]!r}")
        seen.append(json.loads(objects[0]))
    if not lines(during, "left"):
        unclear(f"nothing was disturbed: {during[-400:]!r}")
    changed = differing(*seen, ignore)
    if changed:
        broke(changed)
    same = "in the same sandbox" if where(before) == where(after) else "the sandbox was replaced"
    held(f"{len(seen[0])} values as before, {same}")


def flat(value, name=""):
    """A nested object as one level of names and values."""
    if not isinstance(value, dict):
        return {name: value}
    return {full: leaf for key, below in value.items() for full, leaf in flat(below, f"{name} {key}".strip()).items()}


def differing(before, after, ignore=()):
    before, after = flat(before), flat(after)
    names = [name for name in sorted(before.keys() | after.keys()) if name not in ignore]
    changed = [f"{name}: {before.get(name)!r} -> {after.get(name)!r}" for name in names if before.get(name) != after.get(name)]
    return "; ".join(changed)[:300]


def side_by_side(first, second, *options, weaker=()):
    """`first` prints `ready` when its trap is set and then waits for its standard input to end; `second` runs meanwhile, in another
    sandbox, and prints `found: WHAT` and `searched`. What `first` prints after that counts as well. In the control run both are in one
    sandbox, or, where options that make sandboxes `weaker` are named, in two with these."""
    if CONTROL and weaker:
        options += weaker
    elif CONTROL:
        # Both as processes of one sandbox.
        code = "\n".join([
            "import signal,subprocess",
            # What the halves send to everybody must not end what holds them.
            "for n in (signal.SIGUSR1,signal.SIGUSR2): signal.signal(n,signal.SIG_IGN)",
            f"first,second={program(first)!r},{program(second)!r}",
            "a=subprocess.Popen(first,stdin=subprocess.PIPE,stdout=subprocess.PIPE,text=True)",
            "line=a.stdout.readline()",
            "b=subprocess.run(second,stdout=subprocess.PIPE,text=True)",
            "a.stdin.close()",
            "print(line+a.stdout.read()+b.stdout)",
        ])
        done = sandboxed(code, *options)
        found = lines(done.stdout, "found")
        if found:
            broke("in one sandbox, of course: " + "; ".join(found)[:300])
        unclear(f"not even found in the same sandbox: {done.stdout[:300]!r} {done.stderr[-300:]!r}")
    one = start(first, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        line = one.stdout.readline()
        if line.strip() != "ready":
            unclear(f"the first did not get ready: {line!r} {one.stderr.read()[-300:]!r}")
        other = start(second, *options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = other.communicate(timeout=PATIENCE_S)
        one.stdin.close()
        rest = one.stdout.read()
    finally:
        one.kill()
        one.wait()
    found = lines(out, "found") + lines(rest, "found")
    if found:
        broke("; ".join(found)[:300])
    if "searched" not in out:
        unclear(f"the second did not end: {out[-300:]!r} {err[-300:]!r}")
    held("each saw only itself")
