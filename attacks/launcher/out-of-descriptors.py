# attack: hold sandboxes until the launcher has no descriptors
# tries: asks a launcher that may have 40 descriptors for a hundred sandboxes without letting one go, then lets all go
# source: go-judge retract v0.9.5 to v1.1.4 (descriptor leaks under load); accept(2) loops that die of EMFILE
# expect: refusals from some point on, each leaving nothing behind; afterwards everything works again
# stopped-by: the launcher
# control: own
# on: host
import os
from launcher import Launcher, message, held, broke, wait_for

launcher = Launcher(files=40)
launcher.still_works()
open_ones, refused = [], 0
for _ in range(100):
    answer, descriptors = launcher.ask(message())
    if "made" in answer and len(descriptors) == 2:
        open_ones += descriptors
    elif "failed" in answer:
        refused += 1
    else:
        broke(f"neither a sandbox nor a refusal: {answer} with {len(descriptors)} descriptors")
if refused == 0:
    broke("a hundred sandboxes with forty descriptors")
for descriptor in open_ones:
    os.close(descriptor)
wait_for("they are gone", lambda: not launcher.sandboxes())
launcher.still_works()
launcher.ends_clean()
held(f"{refused} of 100 were refused, and the next was served")
