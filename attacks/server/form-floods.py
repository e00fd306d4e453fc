# attack: forms and requests of very many things
# tries: a million fields in an urlencoded form, keys that collide in a hash table, a hundred thousand commands, variables and names, one
#   command of megabytes, variables of megabytes, result paths of megabytes
# source: hash flooding (oCERT-2011-003, 28C3), CVE-2019-19844-like quadratic texts; ARG_MAX of execve(2)
# expect: refused or carried out within the request's own limits
# stopped-by: the reader of forms; execute.timeout
# control: own
# on: host
# timeout: 60
import attack, json, os, time

def naive():
    def answer(head, body):
        # One list, searched from its beginning each time.
        seen = []
        for field in body.split(b"&")[:20000]:
            if field not in seen:
                seen.append(field)
        time.sleep(6)
        return b"{}"
    return attack.NaiveServer(threads=1, answer=answer)

server = attack.server(naive)
urlencoded = "application/x-www-form-urlencoded"
cases = {
    "a million fields": (b"&".join(b"f%d=" % number for number in range(300000)), urlencoded),
    "a million separators": (b"&" * 1000000, urlencoded),
    "a field of megabytes": (b"config=" + b"%20" * 1000000, urlencoded),
}
configs = {
    "a hundred thousand commands": {"commands": ["true"] * 100000},
    "a command of a megabyte": {"commands": ["true " + "x" * (1 << 20)]},
    "a variable of a megabyte": {"commands": ["true"], "environ": {"A": "x" * (1 << 20)}},
    "a hundred thousand variables": {"commands": ["true"], "environ": {f"V{number}": "1" for number in range(100000)}},
    "a result path of a megabyte": {"commands": ["true"], "result_path": "d/" * (1 << 19)},
    "an environment of a megabyte": {"commands": ["true"], "environment": "e" * (1 << 20)},
    "an unknown key of a megabyte": {"commands": [{"command": "true", "k" * (1 << 20): 1}]},
}
for name, config in configs.items():
    cases[name] = (attack.multipart(attack.form(config)), None)
slowest = ("", 0)
for name, (body, kind) in cases.items():
    began = time.monotonic()
    try:
        reply = attack.post(server, body, kind, timeout=15)
    except OSError as error:
        attack.broke(f"{name}: {error}")
    took = time.monotonic() - began
    slowest = max(slowest, (name, took), key=lambda one: one[1])
    # 4 s are the request's own limit.
    if took > 10:
        attack.broke(f"{name} took {took:.1f} s")
    if reply.status not in (200, 400, 404, 413) and not attack.CONTROL:
        attack.broke(f"{name}: {reply}")
    if attack.CONTROL and took > 5:
        attack.broke(f"{name} took {took:.1f} s")
attack.held(f"the slowest was {slowest[0]}, {slowest[1]:.1f} s")
