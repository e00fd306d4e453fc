# attack: games with boundaries
# tries: boundaries that are empty, of a megabyte, quoted, with line breaks, prefixes of the content, missing at the end, with only line
#   feeds, with padding, and contents that hold all but the last byte of a boundary, cut at every place
# source: CVE-2023-24998 and CVE-2016-3092 (Commons FileUpload), multipart parsers that disagree (WAF bypasses, 2021)
# expect: content comes out byte for byte as it was sent, or the form is refused; nothing hangs
# stopped-by: the reader of forms
# control: own
# on: host
import attack, base64, json

def naive():
    def answer(head, body):
        boundary = head.split(b"boundary=")[1].split(b"\r\n")[0].strip(b'"')
        # By prefix, as one does it first.
        part = body.split(b"--" + boundary[:10])[1]
        text = part.partition(b"\r\n\r\n")[2].rstrip()
        return json.dumps({"execution": [{"stdout": json.loads(text)["environ"]["A"]}]}).encode()
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
boundary = "sixteen-letters--and-more"
for tail in ("\r\n--" + boundary[:-1], "--" + boundary, "\r\n-", "\r\n--", "--\r\n", "\n--" + boundary, "\r--" + boundary + "--", "\r\n--" + boundary[:11]):
    text = json.dumps({"commands": ["printf %s \"$A\" | base64 -w0"], "environ": {"A": "x" + tail + "y"}}).encode()
    # JSON writes line breaks as escapes; a value with them as they are is put into the form beside it.
    try:
        reply = attack.post(server, attack.multipart(attack.form(text), boundary), f"multipart/form-data; boundary={boundary}")
    except OSError as error:
        attack.broke(f"{tail!r} in a text: {error}")
    expected = base64.b64encode(("x" + tail + "y").encode()).decode()
    if reply.status == 200 and reply.json()["execution"][0]["stdout"] != expected:
        attack.broke(f"{tail!r} in a text came out as {reply.json()['execution'][0]['stdout']!r}")
    if reply.status not in (200, 400):
        attack.broke(f"{tail!r}: {reply}")
good = attack.multipart(attack.form({"commands": ["echo served"]}), boundary)
kinds = ["", "boundary=", 'boundary=""', "boundary=" + "b" * 1000000, 'boundary="a\\"b"', "boundary=a b", "boundary=sixteen", f"boundary={boundary}; boundary=other",
         f"charset=x; boundary={boundary}", f"Boundary={boundary}", "boundary*=utf-8''x"]
for kind in kinds:
    try:
        reply = attack.post(server, good, f"multipart/form-data; {kind}", timeout=10)
        if reply.status >= 500 and not (reply.status == 503):
            attack.broke(f"{kind[:40]}: {reply}")
    except OSError:
        # Closed without an answer: headers of a megabyte.
        pass
answers = set()
for end in range(0, len(good), 7):
    reply = attack.post(server, good[:end], f"multipart/form-data; boundary={boundary}", timeout=10)
    if reply.status == 200 and end < len(good) - 6:
        attack.broke(f"a form without its end was carried out: {end} of {len(good)} bytes")
    answers.add(reply.status)
if answers - {200, 400}:
    attack.broke(f"answered with {answers}")
for body in (good.replace(b"\r\n", b"\n"), good.replace(b"--\r\n", b"--"), b"preamble" + good, good + good, good + b"epilogue" * 10000, b"\r\n" * 10000 + good):
    reply = attack.post(server, body, f"multipart/form-data; boundary={boundary}", timeout=10)
    if reply.status not in (200, 400):
        attack.broke(f"{body[:20]!r}: {reply}")
attack.held("contents came out as they were, and broken forms were refused")
