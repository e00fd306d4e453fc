# attack: numbers without end
# tries: integers of a million digits, exponents of a million, infinities, NaN, negative zero and subnormals, as the time-out and anywhere
# source: CVE-2020-10735 (quadratic int() in Python); JSON libraries that disagree about large numbers
# expect: each is refused or carried out within the request's own limit; none takes time by its length
# stopped-by: the reader of JSON
# control: own
# on: host
import attack, json, sys, time

def naive():
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    def answer(head, body):
        value = json.loads(body[body.find(b"\r\n\r\n") + 4:body.rfind(b"\r\n--")])
        time.sleep(min(value["commands"][0]["timeout"], 20))
        return b"ok"
    return attack.NaiveServer(threads=1, answer=answer)

server = attack.server(naive)
digits = 50000 if attack.CONTROL else 1000000
numbers = [b"9" * digits, b"-" + b"9" * digits, b"1e999999999", b"-1e999999999", b"1e-999999999", b"0." + b"0" * 100000 + b"1", b"1" + b"0" * 400,
           b"Infinity", b"-Infinity", b"NaN", b"-0", b"-0.0", b"5e-324", b"1e308", b"18446744073709551616", b"9223372036854775808", b"1E+2", b"01",
           b"0x10", b"1_0", b"+1", b".5", b"5.", b"\xd9\xa1", b"1e", b"--1", b"true", b"null"]
slowest = 0
for number in numbers:
    for text in (b'{"commands": [{"command": "true", "timeout": %s}]}', b'{"commands": ["true"], "environ": {"A": %s}}', b'{"commands": %s}'):
        began = time.monotonic()
        try:
            reply = attack.execute(server, text.replace(b"%s", number), timeout=8)
        except OSError as error:
            attack.broke(f"{number[:20]}: {error}")
        slowest = max(slowest, time.monotonic() - began)
        if reply.status not in (200, 400, 413):
            attack.broke(f"{number[:20]} in {text[:30]}: {reply}")
# A time-out that is too long is the request's own.
began = time.monotonic()
reply = attack.execute(server, b'{"commands": [{"command": "sleep 60", "timeout": 1e308}]}', timeout=20)
if time.monotonic() - began > 7:
    attack.broke(f"a long time-out was taken for {time.monotonic() - began:.0f} s")
attack.held(f"none took longer than {slowest:.1f} s")
