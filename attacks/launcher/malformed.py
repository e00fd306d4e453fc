# attack: messages that are none
# tries: several hundred messages to the launcher: noise, every kind of wrong JSON, policies cut off at any byte or with one byte
#   changed, fields of the wrong kind, numbers out of range, an empty list, nesting without end
# source: fuzzing of privileged helpers; firejail CVE-2022-31214 and snap-confine CVE-2021-44731 are of this kind
# expect: each is answered with a refusal, or with a sandbox where it happens to make sense; the launcher goes on and keeps nothing
# stopped-by: the launcher's parser
# control: own
# on: host
import os, random
from launcher import Launcher, message, held, broke

random.seed(7)
good = message()
launcher = Launcher()
wrong = [b"\0", b"null", b"[]", b"{}", b"[1]", b'"', b"[" * 5000, b'{"a":' * 5000, b"\xff\xfe" * 100, good + good, good[1:], b" " * 1000,
         message(reuse="sometimes"), message(rootfs={"directory": 7}), message(user={"uid": -1, "gid": 0}), message(hostname=[]),
         message(limits={}), message(layers={"walls": "off"}), message(environment={"A": None}), message(mounts=[{}]),
         good.replace(b'"memory": 67108864', b'"memory": 1e400'), good.replace(b'"processes": 16', b'"processes": 99999999999')]
wrong += [good[:random.randrange(len(good))] for _ in range(100)]
for _ in range(100):
    place = random.randrange(len(good))
    wrong.append(good[:place] + bytes([random.randrange(256)]) + good[place + 1:])
wrong += [random.randbytes(random.randrange(1, 5000)) for _ in range(100)]
before = launcher.descriptors()
made = 0
for data in wrong:
    answer, descriptors = launcher.ask(data)
    for descriptor in descriptors:
        os.close(descriptor)
    if "made" in answer:
        made += 1
    elif "failed" not in answer:
        broke(f"an answer that is none: {answer}")
launcher.still_works()
if launcher.descriptors() > before + 2:
    broke(f"{launcher.descriptors() - before} descriptors more than before")
launcher.ends_clean()
held(f"{len(wrong) - made} refusals, {made} sandboxes from what still made sense")
