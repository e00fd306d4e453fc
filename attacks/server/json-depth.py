# attack: JSON as deep as a million brackets
# tries: a million `[`, `{"a":`, and both in turns, closed and not, as the configuration and inside of every field of it; and a million
#   values next to each other
# source: test 66 of execution-sandboxes; stack overflows of recursive parsers, such as CVE-2020-25649's and jq's, Python's RecursionError
# expect: 400, soon, and the server lives
# stopped-by: the reader of JSON, which bounds its depth
# control: own
# on: host
import attack, json, time

def naive():
    def answer(head, body):
        start = body.find(b"\r\n\r\n") + 4
        json.loads(body[start:body.rfind(b"\r\n--")])
        return b"ok"
    server = attack.NaiveServer(threads=2, answer=answer)
    return server

server = attack.server(naive)
million = 1000000
shapes = {
    "brackets": b"[" * million, "closed brackets": b"[" * million + b"]" * million, "objects": b'{"a":' * (million // 2),
    "closed objects": b'{"a":' * (million // 4) + b"1" + b"}" * (million // 4), "both": b'[{"a":' * (million // 4),
}
fields = {"alone": b"%s", "commands": b'{"commands": %s}', "environ": b'{"commands": ["true"], "environ": {"A": %s}}',
          "environment": b'{"commands": ["true"], "environment": %s}', "unknown": b'{"commands": ["true"], "x": %s}', "timeout": b'{"commands": [{"command": "true", "timeout": %s}]}'}
slowest = 0
for name, shape in shapes.items():
    for field, text in fields.items():
        began = time.monotonic()
        try:
            reply = attack.execute(server, text.replace(b"%s", shape), timeout=10)
        except OSError as error:
            attack.broke(f"{name} in {field}: {error}")
        slowest = max(slowest, time.monotonic() - began)
        if reply.status not in (400, 413):
            attack.broke(f"{name} in {field}: {reply}")
        if time.monotonic() - began > 5:
            attack.broke(f"{name} in {field} took {time.monotonic() - began:.1f} s")
attack.execute(server, b'{"commands": [' + b'"true",' * 100000 + b'"true"], "x": 1}', timeout=20) if attack.CONTROL else None
attack.held(f"refused, in {slowest:.1f} s at most")
