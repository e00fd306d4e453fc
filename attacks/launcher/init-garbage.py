# attack: noise to the init of a sandbox
# tries: as the server's end of a sandbox's socket: wrong kinds, lengths that lie, half messages, runs without descriptors and with
#   too many, runs before the set-up and twice at once, signals with wrong numbers, and silence with half a request
# source: fuzzing of the supervisor's own protocol; CVE-2019-5736-like attacks need the init to be confused
# expect: the init ignores or refuses it, or its sandbox ends; never anything else's, and never the launcher
# stopped-by: the init's parser
# control: own
# on: host
import array, os, random, socket, struct, time
from launcher import Launcher, held, broke, wait_for
import attack

random.seed(11)
launcher = Launcher()
witness = launcher.make()
pidfd_lives = lambda fd: not __import__("select").select([fd], [], [], 0)[0]


def head(kind, flags=0, wall=0, cpu=0, number=0, arguments=0, variables=0, text=0):
    return struct.pack("=9Q", kind, flags, wall, cpu, number, arguments, variables, text, 0)


def garbage():
    text = b"/\0/bin/true\0"
    yield head(1)
    yield head(2, text=len(text), arguments=1) + text
    yield head(2, text=len(text), arguments=4000000) + text
    yield head(2, text=2**32 - 1, arguments=1) + text
    yield head(2, arguments=2**32, text=len(text)) + text
    yield head(2, text=5, arguments=1) + b"/bin/"
    yield head(3, text=4) + b"null"
    yield head(3, text=0)
    for number in (0, 9, 65, 2**31, 2**63, 2**64 - 1):
        yield struct.pack("=9Q", 4, 0, 0, 0, number, 0, 0, 0, 0)
    yield head(99)
    yield head(0)
    yield head(2**64 - 1)
    yield b"x"
    yield head(7)[:40]
    yield head(5)
    yield head(6)
    yield head(7)
    for _ in range(100):
        yield random.randbytes(random.randrange(1, 200))
    for _ in range(40):
        data = bytearray(head(random.randrange(1, 8), text=len(text), arguments=1) + text)
        data[random.randrange(len(data))] = random.randrange(256)
        yield bytes(data)


sent = lost = 0
sandbox = None
files = [os.open("/dev/null", os.O_RDWR) for _ in range(120)]
# What does not read at all shows itself soon.
for data in list(garbage())[: 5 if attack.CONTROL else None]:
    for descriptors in ([], files[:1], files[:3], files):
        if sandbox is None or not pidfd_lives(sandbox[1]):
            lost += sandbox is not None
            if sandbox:
                os.close(sandbox[0]); os.close(sandbox[1])
            sandbox = launcher.make()
        end = socket.socket(fileno=os.dup(sandbox[0]))
        end.settimeout(0.05)
        try:
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            end.sendmsg([data], control)
            end.setblocking(False)
            end.recv(4096)
        except OSError:
            pass
        end.close()
        sent += 1
    if not launcher.lives():
        broke("the launcher died")
if not pidfd_lives(witness[1]):
    broke("another sandbox died of it")
for descriptor in (*witness, *(sandbox or ())):
    os.close(descriptor)
wait_for("all of them end", lambda: not launcher.sandboxes())
launcher.still_works()
launcher.ends_clean()
held(f"{sent} messages, {lost} sandboxes gave up, nothing else")
