# attack: file names that programs stumble over
# tries: Names with newlines, quotes, $(...), leading dashes, invalid UTF-8, control and right-to-left characters, 255 bytes, tar's own special names, paths longer than
#   PATH_MAX: saved, downloaded, uploaded again. The same names and contents must come out each time, and none may be run.
# source: tar and shell pipelines of services (find | tar -T -), CVE-2016-6321 (GNU tar names), Judge0 CVE-2024-29021 (shell words)
# expect: each name comes out as it went in, or is left out; nothing is executed and nothing renamed
# stopped-by: mount_namespace
# on: host
# control: own
import io
import json
import os
import subprocess
import tarfile

from attack import CONTROL, broke, held
from execution import archive, member, run

NAMES = [b"plain", b"new\nline", b"\n", b"two  spaces ", b"'quote", b'"double', b"$(touch injected)", b"`touch injected`", b";touch injected;", b"|touch injected", b"-rf", b"--checkpoint-action=exec=touch injected",
         b"--to-command=id", b"*", b"?", b"[a]", b"\\", b"back\\slash", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"caf\xc3\xa9", b"cafe\xcc\x81", b"\xe2\x80\xaetxt.exe", b"\x01\x02\x1b[31m", b"\x7f",
         b"n" * 255, b"...", b"..x", b". ", b"@LongLink", b"././@LongLink".replace(b"/", b"_"), b"PaxHeader", b"pax_global_header", b"%00", b"%2e%2e%2f", b"CON", b"a:b", b"C:\\x", b"\xef\xbb\xbfbom", b"~", b"#", b"&", b"=", b"="]
MAKE = f"""python3 - <<'EOF'
import os
for name in {sorted(set(NAMES))!r}:
    with open(name, "wb") as file:
        file.write(name)
os.makedirs(b"d" * 200 + b"/" + b"e" * 200)
open(b"d" * 200 + b"/" + b"e" * 200 + b"/f", "wb").write(b"deep")
EOF"""
# A path longer than PATH_MAX: only by walking.
LONG = """python3 - <<'EOF'
import os
for _ in range(30):
    os.mkdir("p" * 200); os.chdir("p" * 200)
open("end", "w").write("end")
EOF"""
LIST = """python3 - <<'EOF'
import json, os
print(json.dumps(sorted((name.hex(), open(name, "rb").read().hex()) for name in os.listdir(b".") if os.path.isfile(name))))
EOF"""

expected = sorted((name.hex(), name.hex()) for name in set(NAMES))
first = run([MAKE, LIST], save=True)
if sorted(map(tuple, json.loads(first.outputs[1]))) != expected:
    broke("the sandbox itself has other names")
tar = tarfile.open(fileobj=io.BytesIO(first.archive), mode="r:gz", encoding="utf-8", errors="surrogateescape")
found = {entry.name.removeprefix("./").encode("utf-8", "surrogateescape") for entry in tar.getmembers() if "/" not in entry.name.removeprefix("./")}
wrong = found - set(NAMES) - {b"d" * 200}
missing = set(NAMES) - found
if wrong or missing:
    broke(f"names in the archive: {sorted(wrong)[:3]} too many, {sorted(missing)[:3]} missing")
second = run([LIST, "ls -d injected && echo run"], archive=first.archive, save=True)
if second is None:
    broke("an archive that the server itself made is refused")
if sorted(map(tuple, json.loads(second.outputs[0]))) != expected or "run" in second.outputs[1]:
    broke("other names or contents after the second time, or one was run")
# The same names from outside, in an archive of ours.
third = run([LIST], archive=archive(*((member(name.decode("utf-8", "surrogateescape")), name) for name in sorted(set(NAMES)) if b"\xff" not in name and b"\xed" not in name and b"\xc3\x28" not in name)))
if third is not None and not set(map(tuple, json.loads(third.outputs[0]))) <= set(expected):
    broke("names from an archive are changed")
# Refused as the program's doing, which is no failure of the server's.
if not CONTROL and run([LONG], save=True) is not None:
    broke("a path that nobody can unpack was saved")
held(f"{len(set(NAMES))} names there and back")
