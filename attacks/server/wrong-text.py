# attack: text that is none
# tries: invalid UTF-8, half surrogate pairs, overlong forms, zero bytes, control characters, byte-order marks and UTF-16 in every text of a
#   request: configuration, commands, names and values of variables, result paths, names of forms and files, headers
# source: test 34 of execution-sandboxes; CVE-2021-42574 (Trojan Source); parsers that disagree about bad UTF-8
# expect: refused, or passed on as it is; nothing is run that was not written so, and nothing fails
# stopped-by: the reader of forms and JSON
# control: own
# on: host
import attack, json

def naive():
    def answer(head, body):
        # Repairs what it is sent: what is run is not what was written.
        text = body[body.find(b"\r\n\r\n") + 4:body.rfind(b"\r\n--")].decode(errors="ignore").replace("\0", "")
        return json.dumps({"execution": [{"stdout": "leaked", "exit_code": 0}]}).encode()
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
wrong = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xef\xbb\xbf", b"\0", b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"\\uD83D", b"\x01",
         b"\x1b[2J", b"\x7f", b"\\uFFFF", b"\xe2\x80\xae"]
places = [b'{"commands": ["echo le%saked"]}', b'{"commands": ["tr%sue"], "environ": {"A": "b"}}', b'{"commands": ["true"], "environ": {"A%s": "b"}}',
          b'{"commands": ["true"], "environ": {"A": "b%s"}}', b'{"commands": ["true"], "result_path": "a%sb"}', b'{"commands": ["true"], "environment": "a%sb"}',
          b'{"comm%sands": ["true"]}', b'%s{"commands": ["true"]}', b'{"commands": ["true"]}%s']
tries = 0
for text in wrong:
    for place in places:
        tries += 1
        reply = attack.execute(server, place.replace(b"%s", text))
        if reply.status not in (200, 400, 404):
            attack.broke(f"{text!r} in {place!r}: {reply}")
        # An answer is JSON whatever it repeats.
        if reply.status == 200 and reply.json()["execution"][0]["stdout"] == "leaked":
            attack.broke(f"{text!r} was dropped from a command that was run")
for text in (b"\xff", b"\0", b"\r\nX-Injected: 1", b'"; filename="x', b"\n\n"):
    for place in (b'form-data; name="con%sfig"', b'form-data; name="environment"; filename="e%s.tgz"', b'form-data; name*=UTF-8\'\'%s'):
        body = attack.multipart([(b"Content-Disposition: " + place.replace(b"%s", text), b"{}")])
        reply = attack.post(server, body)
        if reply.status >= 500 or "x-injected" in reply.headers:
            attack.broke(f"{text!r} in {place!r}: {reply}")
attack.held(f"{tries} texts were refused or passed on as they were")
