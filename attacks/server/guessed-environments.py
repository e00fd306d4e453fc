# attack: guess somebody else's environment
# tries: names near to known ones (one digit more, one less, the same time, the nil and the maximal name), other ways to write a known
#   one, and looks whether names are random enough and misses tell anything
# source: test 62 of execution-sandboxes; Sandbox 3.0.3 used names as paths; guessable version-1 UUIDs (CVE-2020-13933's relatives)
# expect: a name is random by 122 bits, a miss is 404 with the same text and the same time as any other
# stopped-by: random names
# control: own
# on: host
import attack, io, json, re, statistics, tarfile, time, uuid

def naive():
    counter = [uuid.uuid1().int]
    def answer(head, body):
        if head.startswith(b"POST"):
            counter[0] += 1
            return json.dumps({"environment": str(uuid.UUID(int=counter[0])), "execution": []}).encode()
        return b"yes"
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
names = [uuid.UUID(attack.execute(server, {"commands": ["echo %d > f" % number], "save": True}).json()["environment"]) for number in range(12)]
for one in names:
    for other in names:
        if one != other and bin(one.int ^ other.int).count("1") < 20:
            attack.broke(f"names are alike: {one} and {other}")
    if one.version != 4:
        attack.broke(f"{one} is of version {one.version}: it tells when it was made")
texts, times = set(), {"near": [], "far": []}
for turn in range(40):
    base = names[turn % len(names)]
    for kind, guess in (("near", uuid.UUID(int=base.int ^ (1 << (turn % 60)))), ("far", uuid.uuid4())):
        began = time.perf_counter()
        reply = attack.get(server, f"/environments/{guess}/")
        times[kind].append(time.perf_counter() - began)
        if reply.status != 404:
            attack.broke(f"{guess} is found: {reply}")
        texts.add(reply.body.replace(str(guess).encode(), b""))
for guess in (uuid.UUID(int=0), uuid.UUID(int=(1 << 128) - 1)):
    if attack.get(server, f"/environments/{guess}/").status != 404:
        attack.broke(f"{guess} is found")
if len(texts) != 1:
    attack.broke(f"misses differ: {texts}")
near, far = statistics.median(times["near"]), statistics.median(times["far"])
if max(near, far) > 3 * min(near, far) + 0.002:
    attack.broke(f"a near miss takes {near * 1e6:.0f} us, a far one {far * 1e6:.0f}")
attack.held("names are random, and misses are alike")
