# attack: messages that are too long
# tries: packets of exactly the limit, one byte more, and up to four megabytes; valid policies with padding that is cut off, and with a
#   second policy behind the limit
# source: length confusion in privileged helpers; execution-sandboxes section 5a, "policy parsers"
# expect: what does not fit is refused; what is cut off is never taken for the whole; memory stays bounded
# stopped-by: the launcher's limit on messages
# control: own
# on: host
import os
from attack import memory
from launcher import Launcher, message, held, broke

launcher = Launcher()
launcher.still_works()
before = memory(launcher.process.pid)
good = message()
limit = 128 * 1024
for size in (limit - 1, limit, limit + 1, limit * 2, 1 << 20, 3 << 20):
    for padding in (b" ", b"\0", b"[", good):
        data = (good + padding * (size // len(padding)))[:size]
        try:
            answer, descriptors = launcher.ask(data)
        except OSError as error:
            broke(f"{size} bytes: {error}")
        for descriptor in descriptors:
            os.close(descriptor)
        if "made" in answer and (size > limit or padding != b" "):
            broke(f"{size} bytes with {padding[:1]!r} behind the policy were taken for a policy")
launcher.still_works()
grown = memory(launcher.process.pid) - before
if grown > 16 << 20:
    broke(f"the launcher has {grown >> 20} MiB more than before")
launcher.ends_clean()
held("only what fitted and was a policy was carried out")
