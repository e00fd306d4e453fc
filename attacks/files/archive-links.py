# attack: an archive that writes outside of its directory
# tries: Absolute and upward names; a link and then a file through it, over it, in a chain, by way of /proc; hard links to files of the host and through links; directories
#   in place of links and links in place of directories; pax headers that change name, link and size; a name twice with different kinds.
# source: Zip Slip, CVE-2007-4559 (tarfile), CVE-2025-4517 (tarfile's filters), moby #52948, runc cp escapes
# expect: the host's files stay as they were, and so do the sandbox's outside of the directory
# stopped-by: mount_namespace, user_namespace
# on: host
# control: own
import os
import tarfile
import tempfile

from attack import broke, held
from execution import archive, member, run

LINK, HARD, DIRECTORY = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def pax(information, **headers):
    information.pax_headers = headers
    return information


with tempfile.TemporaryDirectory() as place:
    os.chmod(place, 0o777)
    victim = os.path.join(place, "victim")
    with open(victim, "w") as file:
        file.write("untouched")
    os.chmod(victim, 0o666)
    new, up = os.path.join(place, "new"), "../" * 14
    steep = "d/" * 40
    archives = [
        [(member(new), b"x")], [(member(up + new.lstrip("/")), b"x")], [(member("./" + up + new.lstrip("/")), b"x")], [(member("a/" + up + new.lstrip("/")), b"x")],
        [member("l", LINK, place), (member("l/new"), b"x")], [member("l", LINK, victim), (member("l"), b"x")], [member("l", LINK, up + place.lstrip("/")), (member("l/new"), b"x")],
        [member("a", LINK, "."), member("a/b", LINK, ".."), (member("b/" + up + new.lstrip("/")), b"x")], [member("l", HARD, victim), (member("l"), b"x")],
        [member("d", LINK, place), member("l", HARD, "d/victim"), (member("l"), b"x")], [member("l", HARD, up + victim.lstrip("/")), (member("l"), b"x")],
        [member("d", LINK, place), member("d/", DIRECTORY, mode=0o777), (member("d/new"), b"x")], [member("d/", DIRECTORY), member("d", LINK, place), (member("d/new"), b"x")],
        [member("d", DIRECTORY, mode=0o000), (member("d/x"), b"x"), member("d", LINK, place), (member("d/new"), b"x")],
        [member("l", LINK, "/proc/self/root" + place), (member("l/new"), b"x")], [member("l", LINK, "/proc/1/root" + place), (member("l/new"), b"x")],
        [member("l", LINK, "/proc/self/cwd/" + up + place.lstrip("/")), (member("l/new"), b"x")],
        [(pax(member("p"), path=new), b"x")], [pax(member("p", LINK, "x"), linkpath=place), (member("p/new"), b"x")], [(pax(member("p"), path=up + new.lstrip("/")), b"x")],
        [member("x", LINK, "y"), member("y", LINK, "z"), member("z", LINK, place), (member("x/new"), b"x")], [member("l", LINK, place + "/"), member("l/sub", DIRECTORY), (member("l/sub/new"), b"x")],
        # The chain of CVE-2025-4517: a path too long to be resolved, then a way out of it.
        [*(member(steep[: 2 * i], DIRECTORY) for i in range(1, 41)), member(steep + "up", LINK, "../" * 41), (member(steep + "up/" + up + new.lstrip("/")), b"x")],
        [member("l", LINK, place), member("l", HARD, "l/victim"), (member("l"), b"changed")], [(member("a\0/../../" + "b"), b"x")], [(member("..\\..\\x"), b"x")],
    ]
    for number, members in enumerate(archives):
        try:
            answer = run(["true"], archive=archive(*members))
        except (OSError, ValueError, tarfile.TarError):
            continue
        if open(victim).read() != "untouched" or os.listdir(place) != ["victim"]:
            broke(f"archive {number} wrote outside: {[entry[0].name if isinstance(entry, tuple) else entry.name for entry in members][:4]}")
    # Inside, too, nothing but the directory may be written: what a later command of the same request runs.
    answer = run(["ls -d /tmp/escaped ~/../escaped && echo there"], archive=archive(member("l", LINK, "/tmp"), (member("l/escaped"), b"x")))
    if answer is not None and "there" in answer.outputs[0]:
        broke("a link of an archive leads out of the directory inside")
held(f"{len(archives)} archives, nothing outside")
