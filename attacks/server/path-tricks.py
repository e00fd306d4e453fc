# attack: paths that lead out
# tries: `..`, encoded once and twice, with backslashes, overlong UTF-8, zero bytes, absolute names, parameters, fragments, and 60 KB of
#   slashes, in every route that takes a path, of an environment that exists and of none
# source: Apache CVE-2021-41773 and CVE-2021-42013, nginx off-by-slash, Grafana CVE-2021-43798, overlong forms of IIS MS00-078
# expect: nothing of the host is read; each is not found, or refused
# stopped-by: the routes; files are looked up inside a sandbox
# control: own
# on: host
import attack, io, os, re, tarfile, urllib.parse

def naive():
    def answer(head, body):
        path = urllib.parse.unquote(head.split(b" ")[1].decode("latin-1"))
        for prefix in ("/files/", "/environments/", "/"):
            if path.startswith(prefix):
                try:
                    return open(os.path.join("/tmp", path[len(prefix):]), "rb").read()
                except (OSError, ValueError):
                    continue
        return b"none"
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
environment = "00000000-0000-4000-8000-000000000000"
if not attack.CONTROL:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo("inside")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"in"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    environment = attack.execute(server, {"commands": ["true"], "save": True}, data.getvalue()).json()["environment"]
    if attack.get(server, f"/files/{environment}/inside/").body != b"in":
        attack.broke("a plain file is not found")
ups = ["../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "%2e%2e%2f" * 12, "%252e%252e%252f" * 12, "..%5c" * 12, "..\\" * 12, "%c0%ae%c0%ae/" * 12,
       ".%2e/" * 12, "..;/" * 12, "/", "%2f", "inside/" + "../" * 12, "./" * 12 + "../" * 12, "link/../" + "../" * 12, "....//" * 12]
tries = 0
for up in ups:
    for target in ("etc/passwd", "etc/passwd%00", "etc/passwd%00.txt", "proc/self/environ", "proc/self/cmdline"):
        for route in ("/files/" + environment + "/", "/files/", "/environments/", "/environments/" + environment + "/", "/execute/", "/", "/libraries/",
                      "/healthz/", "/metrics/"):
            tries += 1
            answer = attack.raw(server, f"GET {route}{up}{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), timeout=5)
            if b"root:" in answer or b"PATH=" in answer or b"belljar\0" in answer:
                attack.broke(f"{route}{up}{target}: {answer[-100:]!r}")
            # One of them is the file of that name: a link that leads nowhere inside.
            found = attack.statuses(answer)
            if not found or (found[0] < 400 and not attack.CONTROL) or found[0] >= 500:
                attack.broke(f"{route}{up}{target} was answered with {found}")
for path in ("/files/" + environment + "/link/", "/files/" + environment + "/link"):
    if not attack.CONTROL and attack.get(server, path).status != 404:
        attack.broke("a link that leads out is followed")
for path in ("/" * 60000, "/files/" + environment + "/" + "a/" * 20000, "/%" * 20000, "*", "http://x:99999/", "?", "/environments/%ff%fe/"):
    found = attack.statuses(attack.raw(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), timeout=5))
    if any(status >= 500 for status in found):
        attack.broke(f"{path[:40]} was answered with {found}")
attack.held(f"none of {tries} paths led anywhere")
