#!/usr/bin/env python3
# attack: keys in the user, session and persistent keyrings, which outlive processes
# tries: adds a key to each keyring that there is and reads it back, as a later run under the same user id would.
# source: go-judge and minijail (measured: the next run finds the key); CVE-2016-0728 and CVE-2017-7472 (keyring bugs)
# expect: add_key, keyctl and request_key are refused
# stopped-by: seccomp
# without: seccomp
# needs: python3
import ctypes
import sys

ADD_KEY, REQUEST_KEY, KEYCTL = 248, 249, 250
KEYRINGS = {"thread": -1, "process": -2, "session": -3, "user": -4, "user session": -5}
KEYCTL_READ, KEYCTL_GET_PERSISTENT, KEYCTL_JOIN_SESSION = 11, 22, 1

c = ctypes.CDLL(None, use_errno=True)
through = []
for name, ring in KEYRINGS.items():
    key = c.syscall(ADD_KEY, b"user", b"belljar-mark", b"from the run before", ctypes.c_size_t(19), ring)
    text = ctypes.create_string_buffer(32)
    if key > 0 and c.syscall(KEYCTL, KEYCTL_READ, key, text, ctypes.c_size_t(32)) > 0:
        through.append(f"{name}: {text.value.decode()}")
    elif key > 0:
        through.append(name)
if c.syscall(KEYCTL, KEYCTL_GET_PERSISTENT, -1, -4) > 0:
    through.append("persistent")
if c.syscall(KEYCTL, KEYCTL_JOIN_SESSION, b"belljar-shared") > 0:
    through.append("a session keyring by name")
if c.syscall(REQUEST_KEY, b"user", b"belljar-mark", None, -4) > 0:
    through.append("found by request_key")
if through:
    print("broke: keys in", "; ".join(through))
    sys.exit(99)
print("held: every call on keys is refused")
