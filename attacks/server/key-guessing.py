# attack: find a key by the time that it takes
# tries: a server of its own with keys: keys that share a prefix with the right one and keys that do not, in turns, five hundred times each;
#   then no key, empty, long, and strangely written ones on every route
# source: timing attacks on string comparison (Crosby, Wallach, Riedi 2009); test 62 of execution-sandboxes
# expect: 401 everywhere, before a body is read; no difference in time between the two kinds
# stopped-by: server.api_keys, compared as digests in constant time
# control: own
# on: host
# timeout: 60
import attack, os, random, statistics, time

KEY = "correct-horse-battery-staple-" + "k" * 200

def naive():
    def answer(head, body):
        given = head.split(b"Bearer ")[1].split(b"\r\n")[0].decode()
        for a, b in zip(given, KEY):
            if a != b:
                return b"no"
            time.sleep(0.00002)
        return b"yes"
    return attack.NaiveServer(threads=2, answer=answer)

process = None
if attack.CONTROL:
    server = naive().address
else:
    keys = os.path.join(os.getcwd(), "keys")
    with open(keys, "w") as file:
        file.write(KEY + "\n")
    os.chmod(keys, 0o600)
    process, server = attack.start_server(os.path.join(os.getcwd(), "data"), "execute.pool_size=1", f"server.api_keys_file={keys}")
try:
    kinds = {"right but for the end": KEY[:-1] + "x", "wrong from the beginning": "x" + KEY[1:]}
    times = {kind: [] for kind in kinds}
    import http.client
    connection = http.client.HTTPConnection(*server, timeout=10)
    for turn in range(600):
        for kind in random.sample(list(kinds), 2):
            began = time.perf_counter()
            connection.request("GET", "/usages/", headers={"Authorization": f"Bearer {kinds[kind]}"})
            answer = connection.getresponse()
            answer.read()
            times[kind].append(time.perf_counter() - began)
            if answer.status != 401 and not attack.CONTROL:
                attack.broke(f"{kind}: {answer.status}")
            if attack.CONTROL or answer.will_close:
                connection.close()
        if attack.CONTROL and turn > 60:
            break
    middle = {kind: statistics.median(values) * 1e6 for kind, values in times.items()}
    spread = statistics.median(abs(value * 1e6 - middle[kind]) for kind, values in times.items() for value in values)
    difference = abs(middle["right but for the end"] - middle["wrong from the beginning"])
    if difference > spread + 20:
        attack.broke(f"{middle}: {difference:.0f} us apart, with a spread of {spread:.0f}")
    if not attack.CONTROL:
        for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {KEY}"}, {"Authorization": "Bearer " + "x" * 9000},
                        {"Authorization": f"Bearer {KEY[:-1]}"}, {"X-Api-Key": ""}, {"Authorization": f"Bearer  {KEY}x"}, {"Cookie": f"key={KEY}"}, {"X-Api-Key": KEY.upper()}):
            for path in ("/execute/", "/usages/", "/libraries/", "/specifications/", "//usages/", "/files/x/y/", "/environments/00000000-0000-4000-8000-000000000000/", "/metrics"):
                status = attack.request(server, "GET", path, headers=headers).status
                if status != 401 and status != 404:
                    attack.broke(f"{path} with {headers}: {status}")
            if attack.request(server, "POST", "/execute/", attack.multipart(attack.form({"commands": ["true"]})), {**headers, "Content-Type": f"multipart/form-data; boundary={attack.BOUNDARY}"}).status != 401:
                attack.broke(f"carried out with {headers}")
        if attack.get(server, "/usages/").status != 401:
            attack.broke("served without a key")
        if attack.request(server, "GET", "/usages/", headers={"Authorization": f"Bearer {KEY}"}).status != 200:
            attack.broke("the right key is refused")
    attack.held(f"{difference:.1f} us apart, with a spread of {spread:.0f}")
finally:
    if process:
        process.terminate()
        process.wait(20)
