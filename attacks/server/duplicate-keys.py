# attack: say two things under one name
# tries: keys that come twice in JSON, also written differently (escapes), two forms' fields of the same name, a field in the form and in
#   the query, content types and lengths twice: a filter in front of the server sees one, the server runs the other
# source: CVE-2017-12635 (CouchDB: duplicate keys give admin); HTTP parameter pollution
# expect: one of them counts, always the one that Python's reader would take (the last of JSON's keys), and no second command is run
# stopped-by: the reader of forms and JSON
# control: own
# on: host
import attack, json

def naive():
    def answer(head, body):
        # The first of two, as a filter in front would have it.
        import re
        return json.dumps({"execution": [{"stdout": re.search(rb"echo (\w+)", body).group(1).decode()}]}).encode()
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
for text in (b'{"commands": ["echo first"], "commands": ["echo last"]}', b'{"commands": ["echo first"], "\\u0063ommands": ["echo last"]}',
             b'{"commands": [{"command": "echo first", "command": "echo last"}]}',
             b'{"commands": ["echo first"], "commands": ["echo second"], "comm\\u0061nds": ["echo last"]}'):
    reply = attack.execute(server, text)
    if reply.status == 200:
        entries = reply.json()["execution"]
        if len(entries) != 1 or entries[0]["stdout"] != "last":
            attack.broke(f"{text!r}: {[entry['stdout'] for entry in entries]}")
    elif reply.status != 400:
        attack.broke(f"{text!r}: {reply}")
config = b'Content-Disposition: form-data; name="config"'
twice = attack.multipart([(config, b'{"commands": ["echo first"]}'), (config, b'{"commands": ["echo last"]}')])
seen = {attack.post(server, twice).body for _ in range(3)}
if len(seen) > 1 and any(b"first" in one for one in seen) and any(b"last" in one for one in seen):
    attack.broke("two fields, and not always the same counts")
for headers in (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5, 6\r\n", b"Host: a\r\nHost: b\r\nContent-Length: 0\r\n"):
    found = attack.statuses(attack.raw(server, b"POST /execute/ HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\nhello!", timeout=3))
    if any(status < 400 for status in found) or len(found) > 1:
        attack.broke(f"{headers!r}: {found}")
attack.held("one of two counted, and always the same")
