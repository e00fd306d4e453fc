"""The interface of the branch of InQuest's sandboxapi that was to become 2.0. Numbers are those of the behaviours that its own tests check."""

import json
import os
import pathlib
import stat
import tempfile
import threading
import unittest

from belljar import sandboxapi, sandboxapi2
from belljar.sandboxapi2 import (
    CuckooSandbox,
    FalconSandbox,
    FireEyeSandbox,
    JoeSandbox,
    Sandbox,
    SandboxError,
    VMRaySandbox,
    WildFireSandbox,
    base,
    falcon,
    wildfire,
)
from belljar.sandboxapi2.joe import JoeReport
from belljar.sandboxapi2.vmray import VMRayReport
from belljar.sandboxapi2.wildfire import WildFireReport
from stand_in import Reply, StandIn
from test_sandboxapi import KEY, XML, answers

MZ = b"MZ\x00"
PROXIES = {"http": "http://127.0.0.1:3128", "https": "http://127.0.0.1:1080"}


class Files(unittest.TestCase):
    """Tests with a directory of their own."""

    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.directory = pathlib.Path(held.name)

    def written(self, content, name="a b.exe"):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def config(self, text):
        return self.written(text, "config.cfg")


def at(server, client, path=""):
    """The client, asking the stand-in."""
    client.base_url = server.address + path
    return client


def made(**more):
    """One of each."""
    return [
        CuckooSandbox("user", KEY, **more),
        FalconSandbox(KEY, **more),
        FireEyeSandbox("user", KEY, **more),
        JoeSandbox(KEY, **more),
        VMRaySandbox(KEY, **more),
        WildFireSandbox(KEY, **more),
    ]


class EveryVendor(Files):
    def test_arguments(self):
        """65."""
        for client in made(proxies=PROXIES, timeout=3, verify_ssl=False, nada=True):
            self.assertEqual((client.proxies, client.timeout_secs, client.verify_ssl), (PROXIES, 3, False))
            options = dict(client._request_opts)
            options.pop("auth", None)
            self.assertEqual(options, {"timeout": 3, "verify": False})
            self.assertFalse(hasattr(client, "nada"))
        for client in made():
            self.assertEqual((client.proxies, client.timeout_secs, client.verify_ssl), (None, 30, True))
            self.assertFalse(client.config)

    def test_the_rest_of_the_interface(self):
        client = Sandbox("joe", base_url="http://x", nada=1)
        self.assertEqual((client.base_url, client.available, client.queue_size), ("http://x", False, 0))
        self.assertEqual((client.xml_report(1), client.pdf_report(1), client.delete_item(1)), (b"", b"", False))
        for call in (client.submit_sample, client.check_item_status, client.report, client.score):
            self.assertRaises(NotImplementedError, call, 1)
        for vendor in ("Cuckoo", "Falcon", "FireEye", "Joe", "VMRay", "WildFire"):
            of_1x = getattr(getattr(sandboxapi, vendor.lower()), f"{vendor}API")
            self.assertIs(getattr(sandboxapi2, f"{vendor}API"), of_1x)
        self.assertIs(sandboxapi2.SandboxError, sandboxapi.SandboxError)

    def test_proxies_are_used(self):
        """The original keeps them, and asks directly."""
        path = self.written(MZ)
        for kind in (dict, str):
            with StandIn(answers({})) as proxy:
                proxies = proxy.address if kind is str else {"http": proxy.address}
                for client in made(proxies=proxies):
                    client.base_url = "http://sandbox.test/x"
                    self.assertRaises(SandboxError, client.submit_sample, path)
                    self.assertIn("POST http://sandbox.test/x", proxy.lines()[-1])

    def test_a_proxy_of_the_file_is_used_too(self):
        with StandIn(answers({"GET http://sandbox.test:80/cuckoo/status": {}, "GET http://sandbox.test/cuckoo/status": {}})) as proxy:
            config = self.config(f"[cuckoo]\nhost = sandbox.test\nport = 80\nproxies = {proxy.address}\n")
            self.assertIs(CuckooSandbox(config=config).available, True)

    def test_nobody_is_there(self):
        """The original lets exceptions of ``requests`` out."""
        path = self.written(MZ)
        with StandIn(answers({})) as server:
            gone = server.address
        for client in made(timeout=5):
            client.base_url = gone
            with self.assertRaises(SandboxError, msg=type(client).__name__):
                client.submit_sample(path)
            if type(client).__name__ != "JoeSandbox":
                self.assertIs(client.available, False, type(client).__name__)

    def test_an_answer_that_never_comes_is_an_error(self):
        """And one that breaks off."""
        over = threading.Event()
        self.addCleanup(over.set)
        with StandIn(lambda _: over.wait(60) and Reply()) as server:
            client = at(server, CuckooSandbox(timeout=0.2))
            self.assertIs(client.available, False)
            self.assertRaises(SandboxError, client.report, 1)
            over.set()
        path = self.written(MZ)
        with StandIn(lambda _: Reply(200, b"", missing=5)) as server:
            for client in made(timeout=5):
                self.assertRaises(SandboxError, at(server, client).submit_sample, path)

    def test_errors_hold_no_key(self):
        path = self.written(MZ)
        for said in (f"{KEY} ", f"{'x' * 290}{KEY}", json.dumps({"message": KEY, "error_msg": KEY, "errors": [{"message": KEY}]})):
            for status in (200, 400, 500):
                with StandIn(lambda _: Reply(status, said.encode())) as server:
                    for client in made():
                        at(server, client)
                        for call in (lambda: client.submit_sample(path), lambda: client.report(1), lambda: client.check_item_status(1)):
                            try:
                                call()
                            except (SandboxError, KeyError, ValueError) as error:
                                self.assertNotIn(KEY[:9], str(error), type(client).__name__)

    def test_nonsense_is_an_error(self):
        path = self.written(MZ)
        for body in (b"<html>", b"", b"5", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000):
            with StandIn(lambda _: Reply(200, body, {"X-FeApi-Token": "t"})) as server:
                for client in made():
                    at(server, client)
                    for call in (client.submit_sample, client.check_item_status):
                        with self.assertRaises(SandboxError, msg=f"{type(client).__name__} {body[:9]!r}"):
                            call(path if call == client.submit_sample else 1)

    def test_a_sample_that_cannot_be_read(self):
        """It is an exception of the system, as in the original."""
        for client in made():
            self.assertRaises(FileNotFoundError, client.submit_sample, self.directory / "none")
            self.assertRaises(IsADirectoryError, client.submit_sample, str(self.directory))

    def test_a_large_sample_is_sent_whole(self):
        path = self.written(b"MZ" * (5 << 20))
        with StandIn(answers({"POST /tasks/create/file": {"task_id": 1}})) as server:
            at(server, CuckooSandbox()).submit_sample(path)
            self.assertEqual(server.received[-1].parts()["file"], ("a b.exe", b"MZ" * (5 << 20)))

    def test_a_redirect_is_not_followed(self):
        path = self.written(MZ)
        with StandIn(answers({})) as elsewhere:
            with StandIn(lambda _: Reply(302, b"", {"location": elsewhere.address})) as server:
                for client in made():
                    self.assertRaises(SandboxError, at(server, client).submit_sample, path)
            self.assertEqual(elsewhere.lines(), [])


class Configured(Files):
    def test_what_a_section_says(self):
        """131."""
        text = "[DEFAULT]\ntimeout = 20\n[vmray]\napi_key = 12345678\nport = 1\nempty\n[cuckoo]\nhost = lab\nuse_https = yes\n"
        path = self.config(text)
        found = base.Config(path, "vmray")
        self.assertEqual((found.api_key, found.timeout, found.port, found.empty), ("12345678", "20", "1", None))
        self.assertIs(base.Config(str(path), "cuckoo").use_https, True)
        self.assertEqual(list(vars(base.Config(path, "nobody"))), ["_Config__path"])

    def test_files_that_are_none(self):
        """131."""
        wrong = "The config file cannot be read because it is not properly formatted."
        for text in ("key = secret\n", "[joe\n", "[joe]\n[joe]\n", b"\xff\xfe"):
            with self.assertRaises(SandboxError) as raised:
                base.Config(self.config(text), "joe")
            self.assertEqual(str(raised.exception), wrong)
        self.assertRaises(SandboxError, base.Config, self.directory / "none", "joe")
        self.assertRaises(SandboxError, base.Config, self.directory, "joe")

    def test_booleans(self):
        """132: which the original fails."""
        for text, wanted in [("false", False), ("No", False), ("0", False), ("off", False), ("true", True), ("1", True)]:
            client = CuckooSandbox(config=self.config(f"[cuckoo]\nverify_ssl = {text}\n"))
            self.assertIs(client.config.verify_ssl, wanted)
            self.assertIs(client.verify_ssl, wanted)
        for line in ("verify_ssl = maybe", "timeout = soon", "port = http"):
            with self.assertRaises(SandboxError, msg=line) as raised:
                CuckooSandbox(config=self.config(f"[cuckoo]\n{line}\n"))
            self.assertNotIn(line.split()[-1], str(raised.exception))

    def test_percent_signs_are_ordinary(self):
        for said, wanted in [("a%b", "a%b"), ("a%%b", "a%b"), ("%(host)s", "lab")]:
            client = CuckooSandbox(config=self.config(f"[cuckoo]\nhost = lab\npassword = {said}\n"))
            self.assertEqual(client.config.password, wanted)

    def test_a_configuration_to_be_filled_in(self):
        """133."""
        for path in (self.directory / "new.cfg", str(self.directory / "text.cfg")):
            sandboxapi2.generate_config_file(path)
            Sandbox(alias="joe").generate_config_file(path)
            self.assertIn("[wildfire]", pathlib.Path(path).read_text())
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            for client in made(config=path):
                self.assertEqual((client.timeout_secs, client.verify_ssl, client.proxies), (30, True, None))
        before = os.getcwd()
        os.chdir(self.directory)
        try:
            sandboxapi2.generate_config_file()
        finally:
            os.chdir(before)
        self.assertEqual((self.directory / "sandbox_config.cfg").read_text(), pathlib.Path(path).read_text())


class Cuckoo(Files):
    def test_addresses(self):
        """63, 64, 86."""
        for given, address in [
            ({}, "http://localhost:8090"),
            ({"use_https": True, "port": 8888}, "https://localhost:8888"),
            ({"host": "http://lab"}, "http://lab:8090"),
            ({"host": "https://lab", "use_https": True}, "https://lab:8090"),
        ]:
            self.assertEqual(CuckooSandbox(**given).base_url, address)
        config = self.config("[cuckoo]\nhost = localhost\nport = 1000\nuse_https = true\ntimeout = 30\nusername = moss\npassword = p\n")
        client = CuckooSandbox(config=config, port=8888)
        self.assertEqual((client.base_url, client.timeout_secs, client.use_https), ("https://localhost:8888", 30.0, True))
        self.assertEqual(client._request_opts["auth"], ("moss", "p"))
        client.use_https = False
        self.assertEqual(client.base_url, "http://localhost:8888")

    def test_calls(self):
        """66, 69-71, 74, 75, 79, 81, 82."""
        tasks = {"tasks": [{"id": 1, "status": "pending"}, {"id": 2, "status": "running"}, {"id": 3, "status": "reported"}]}
        report = {"malscore": 10, "info": {"id": 1, "score": 5}}
        table = {
            "GET /cuckoo/status": {},
            "GET /tasks/list": tasks,
            "POST /tasks/create/file": {"task_id": 1},
            "GET /tasks/view/1": {"task": {"status": "reported"}},
            "GET /tasks/view/2": {"task": {"status": "pending"}},
            "GET /tasks/view/3": {"task": {"status": "completed"}},
            "GET /tasks/view/4": {"task": {"status": "failed_analysis"}},
            "GET /tasks/view/5": {"nothing": 1},
            "GET /tasks/report/1/json": report,
            "GET /tasks/delete/1": {},
        }
        with StandIn(answers(table)) as server:
            client = at(server, CuckooSandbox("user", "p@ss"))
            self.assertEqual(client.submit_sample(self.written(MZ)), 1)
            self.assertEqual(server.received[-1].parts(), {"file": ("a b.exe", MZ)})
            self.assertEqual(len(client.enqueued()), 3)
            self.assertEqual(client.queue_size, 2)
            self.assertIs(client.check_item_status(1), True)
            self.assertIs(client.check_item_status("2"), False)
            self.assertIs(client.check_item_status(3), False, "its report is not written yet: the original says that it is")
            with self.assertRaisesRegex(SandboxError, "failed_analysis"):
                client.check_item_status(4)
            self.assertRaises(KeyError, client.check_item_status, 5)
            self.assertEqual(client.report(1), report)
            self.assertIs(client.delete_item(1), True)
            self.assertIs(client.available, True)
            self.assertEqual((client.xml_report(1), client.pdf_report(1)), (b"", b""))
            self.assertEqual({one.headers["authorization"] for one in server.received}, {"Basic dXNlcjpwQHNz"})

    def test_what_goes_wrong(self):
        """67, 68, 72, 73, 76-78, 80, 83."""
        path = self.written(MZ)
        for status, view, delete in [
            (404, "Task ID 9 not found.", "Task ID 9 not found."),
            (500, "oh: 500", "Could not delete task ID 9."),
            (423, "oh: 423", "Server Error: 423"),
            (400, "oh: 400", "Server Error: 400"),
        ]:
            for body in (b"oh", b'{"message": "oh"}'):
                with StandIn(lambda _: Reply(status, body)) as server:
                    client = at(server, CuckooSandbox())
                    self.assertIs(client.available, False)
                    self.assertRaises(SandboxError, client.submit_sample, path)
                    self.assertRaises(SandboxError, client.enqueued)
                    for call, text in [(client.check_item_status, view), (client.report, view), (client.delete_item, delete)]:
                        with self.assertRaises(SandboxError) as raised:
                            call(9)
                        if body == b"oh":
                            self.assertEqual(str(raised.exception), text)
        with StandIn(lambda _: Reply(200, b"{}")) as server:
            self.assertRaises(KeyError, at(server, CuckooSandbox()).submit_sample, path)
            self.assertRaises(KeyError, at(server, CuckooSandbox()).enqueued)
        with StandIn(lambda _: Reply(200, b"oh")) as server:
            self.assertRaises(ValueError, at(server, CuckooSandbox()).report, 1)
        with StandIn(lambda _: Reply(200, b'{"task_ids": [7, 8]}')) as server:
            self.assertEqual(at(server, CuckooSandbox()).submit_sample(path), 7)

    def test_scores(self):
        """84, 85."""
        score = CuckooSandbox().score
        self.assertEqual(score({"malscore": 10, "info": {"score": 5}}), 10)
        self.assertEqual(score({"malscore": None, "info": {"score": 5}}), 5)
        self.assertEqual(score({"malscore": 0, "info": {"score": 5}}), 0)
        for report in ({}, None, {"info": {}}):
            self.assertRaises(KeyError, score, report)


class Falcon(Files):
    def test_addresses(self):
        """87, 108."""
        self.assertEqual(FalconSandbox(KEY).base_url, "https://www.reverse.it/api/v2")
        for host in ("lab", "http://lab", "https://lab"):
            self.assertEqual(FalconSandbox(KEY, host).base_url, "https://lab/api/v2")
        client = FalconSandbox(config=self.config("[falcon]\nenvironment = 120\n"))
        self.assertEqual((client.environment, client.api_key), (falcon.WIN7X64, ""))
        self.assertFalse(hasattr(client.config, "api_key"))
        self.assertEqual(FalconSandbox(KEY, environment=falcon.ANDROID).environment, 200)

    def test_calls(self):
        """88, 91, 92, 96, 97, 99, 101, 102, 103, 105."""
        table = {
            "POST /submit/file": Reply(201, b'{"job_id": "22"}'),
            "GET /report/22/state": {"state": "SUCCESS"},
            "GET /report/2/state": {"state": "IN_PROGRESS"},
            "GET /report/3/state": {"state": "ERROR", "error": "no machine"},
            "GET /report/4/state": {},
            "GET /report/22/summary": {"threat_level": 2, "threat_score": 90},
            "GET /report/22/file/pdf": b"%PDF",
            "GET /system/queue-size": {"value": 44},
            "GET /system/heartbeat": {},
        }
        with StandIn(answers(table)) as server:
            client = at(server, FalconSandbox(KEY))
            self.assertEqual(client.submit_sample(self.written(MZ)), "22")
            sent = server.received[-1]
            self.assertEqual(sent.parts(), {"environment_id": (None, b"120"), "file": ("a b.exe", MZ)})
            self.assertEqual((sent.headers["api-key"], sent.headers["user-agent"]), (KEY, "Falcon Sandbox"))
            self.assertIs(client.check_item_status("22"), True)
            self.assertEqual(server.lines()[-1], "GET /report/22/state?environment_id=120")
            self.assertIs(client.check_item_status(2), False)
            with self.assertRaisesRegex(SandboxError, "no machine"):
                client.check_item_status(3)
            self.assertRaises(KeyError, client.check_item_status, 4)
            self.assertEqual(client.queue_size, 44)
            self.assertEqual(client.pdf_report(22), b"%PDF")
            self.assertEqual(server.received[-1].headers["accept"], "application/pdf")
            self.assertEqual(client.score(client.report(22)), 10)
            self.assertEqual(server.received[-1].headers["accept"], "application/json", "the PDF did not change it")
            self.assertIs(client.available, True)
        for version, there in ((200, True), (401, False)):
            table = {"GET /system/heartbeat": Reply(403), "GET /system/version": Reply(version)}
            with StandIn(answers(table)) as server:
                self.assertIs(at(server, FalconSandbox(KEY)).available, there)

    def test_what_goes_wrong(self):
        """89, 90, 93-95, 98, 100, 104, 106."""
        path = self.written(MZ)
        for status, body, text in [
            (403, b'{"message": "not you"}', "Error: not you"),
            (401, b'{"message": "not you"}', "Error: not you"),
            (500, b"oh", "oh: 500"),
            (429, b"{}", "API request limit exceeded."),
            (404, b"{}", "Unknown job ID."),
        ]:
            with StandIn(lambda _: Reply(status, body)) as server:
                client = at(server, FalconSandbox(KEY))
                self.assertIs(client.available, False)
                with self.assertRaises(SandboxError) as raised:
                    client.check_item_status(1)
                self.assertEqual(str(raised.exception), text)
                for call in (lambda: client.submit_sample(path), lambda: client.queue_size, lambda: client.report(1), lambda: client.pdf_report(1)):
                    self.assertRaises(SandboxError, call)

    def test_scores(self):
        """107."""
        score = FalconSandbox(KEY).score
        wanted = {2: {90: 10, 89: 9, 75: 9, 60: 8}, 1: {90: 7, 89: 6, 75: 6, 20: 5}, 0: {300: 4, 90: 4, 75: 3, 74: 1, 0: 1}, 3: {90: 0}}
        for level, scores in wanted.items():
            for given, expected in scores.items():
                self.assertEqual(score({"threat_level": level, "threat_score": given}), expected)
        self.assertEqual(score({"threat_level": None, "threat_score": None}), 0)
        self.assertRaises(KeyError, score, {})


class FireEye(Files):
    def server(self, said, logout=204, expired=None):
        """An appliance; `said` is what it answers to anything but sessions."""
        tokens = []

        def answer(received):
            if received.target.endswith("/auth/login"):
                tokens.append(f"t{len(tokens)}")
                good = received.headers["authorization"] == "Basic dXNlcjpwYXNz"
                return Reply(200 if good else 401, b"{}", {"X-FeApi-Token": tokens[-1]})
            if received.target.endswith("/auth/logout"):
                return Reply(logout, b"")
            if expired is not None and received.headers["x-feapi-token"] == "t0":
                return expired
            return answers(said)(received)

        return StandIn(answer)

    def client(self, server):
        return at(server, FireEyeSandbox("user", "pass"))

    def test_addresses(self):
        """109, 130."""
        self.assertEqual(FireEyeSandbox().base_url, "https://localhost:443/wsapis/v1.2.0")
        for host in ("lab", "http://lab", "https://lab"):
            made = FireEyeSandbox(host=host, port=8443, legacy_api=True)
            self.assertEqual((made.base_url, made.legacy_api), ("https://lab:8443/wsapis/v1.1.0", True))
        text = "[fireeye]\nusername = moss\npassword = p\nhost = friendface\ntimeout = 10\nlegacy_api = true\nenvironment = win7-sp1\n"
        config = self.config(text)
        client = FireEyeSandbox(config=config)
        self.assertEqual((client.base_url, client.timeout_secs), ("https://friendface:443/wsapis/v1.1.0", 10.0))
        self.assertEqual((client._auth, client.profile), (("moss", "p"), "win7-sp1"))
        self.assertEqual(FireEyeSandbox(config=config, host="lab", legacy_api=False).base_url, "https://lab:443/wsapis/v1.2.0")

    def test_calls(self):
        """110, 113, 116, 117, 121-123, 128: also when the session has ended, which the original does not survive."""
        hidden = Reply(200, b'{"fireeyeapis": {"httpStatus": 401}}')
        for expired in (None, Reply(401), hidden):
            for key in ({"ID": 222}, [{"ID": 222}]):
                table = {
                    "POST /submissions": key,
                    "GET /submissions/status/1": {"submissionStatus": "Done"},
                    "GET /submissions/status/2": {"submissionStatus": "In Progress"},
                    "GET /submissions/results/1?info_level=extended": lambda received: (
                        b"<?xml version='1.0'?>" if received.headers["accept"] == "application/xml" else {"alert": []}
                    ),
                    "GET /config": {},
                }
                with self.server(table, expired=expired) as server:
                    client = self.client(server)
                    self.assertIs(client.has_token, False)
                    self.assertEqual(client.submit_sample(self.written(MZ)), 222)
                    self.assertIs(client.has_token, True)
                    sent = server.received[-1].parts()
                    self.assertEqual(sent["file"], ("a b.exe", MZ))
                    self.assertEqual(json.loads(sent["options"][1])["profiles"], ["winxp-sp3"])
                    self.assertEqual([client.check_item_status(1), client.check_item_status(2)], [True, False])
                    self.assertEqual(client.report(1), {"alert": []})
                    self.assertTrue(client.xml_report(1).startswith(b"<?xml"))
                    self.assertIs(client.available, True)
                    logins = [line for line in server.lines() if line.endswith("login")]
                    self.assertEqual(len(logins), 1 if expired is None else 2)
                    client.logout()
                    self.assertIs(client.has_token, False)
                    client.logout()

    def test_what_goes_wrong(self):
        """111, 112, 114, 115, 118-123, 129."""
        path = self.written(MZ)
        for status, text in ((401, "Authentication failed - HTTP 401"), (503, "Sandbox unavailable - HTTP 503")):
            with StandIn(lambda _: Reply(status)) as server:
                client = self.client(server)
                with self.assertRaises(SandboxError) as raised:
                    client.submit_sample(path)
                self.assertEqual((str(raised.exception), client.has_token), (text, False))
                if status == 401:
                    self.assertRaises(SandboxError, lambda: client.available)
                else:
                    self.assertIs(client.available, False)
        for status, text in ((401, "Action is unauthorized."), (404, "Invalid submission key."), (500, "oh: 500"), (400, "oh: 400")):
            reply = Reply(status, b"oh")
            results = "GET /submissions/results/1?info_level=extended"
            table = {"POST /submissions": reply, "GET /submissions/status/1": reply, results: reply, "GET /config": reply}
            with self.server(table) as server:
                client = self.client(server)
                self.assertRaises(SandboxError, client.submit_sample, path)
                for call in (client.check_item_status, client.report, client.xml_report):
                    with self.assertRaises(SandboxError) as raised:
                        call(1)
                    self.assertEqual(str(raised.exception), text)
                if status == 401:
                    self.assertRaises(SandboxError, lambda: client.available)
                else:
                    self.assertIs(client.available, False)
        with self.server({"GET /submissions/status/1": {"x": 1}}) as server:
            with self.assertRaisesRegex(SandboxError, "^Submission not found.$"):
                self.client(server).check_item_status(1)
        with self.server({"GET /config": {}}, logout=304) as server:
            client = self.client(server)
            self.assertIs(client.available, True)
            self.assertRaises(SandboxError, client.logout)

    def test_scores(self):
        """124-127: and of several alerts the worst, where the original looks at the first."""
        score = FireEyeSandbox().score
        for severities, expected in [(["MAJR"], 8), (["MINR"], 2), (["MINR", "CRIT"], 8), (["UNKN"], 0), ([], 0)]:
            self.assertEqual(score({"alert": [{"severity": severity} for severity in severities]}), expected)
        self.assertEqual(score({"alert": {"name": "x"}}), 0)
        self.assertEqual(score({"alert": {"severity": "majr"}}), 8, "one alert alone has no list around it")
        self.assertRaises(KeyError, score, {})


class Joe(Files):
    INFO = {"data": {"status": "finished", "most_relevant_analysis": {"webid": "179"}}}

    def test_addresses(self):
        """134, 142."""
        self.assertEqual(JoeSandbox(KEY).base_url, "https://jbxcloud.joesecurity.org/api")
        for host in ("lab", "http://lab"):
            self.assertEqual(JoeSandbox(KEY, host).base_url, "https://lab/api")
        client = JoeSandbox(config=self.config("[joe]\ntimeout = 5\n"))
        self.assertEqual((client.base_url, client.api_key), ("https://jbxcloud.joesecurity.org/api", ""))

    def test_calls(self):
        """135-141."""
        report = {"analysis": {"detection": {"score": 100, "maxscore": 100}}}
        kinds = {b"irjsonfixed": json.dumps(report).encode(), b"pdf": b"%PDF", b"xml": b"<a/>"}

        def form(received):
            return dict(part.split(b"=") for part in received.body.split(b"&"))

        def download(received):
            self.assertEqual(form(received)[b"webid"], b"179")
            return kinds[form(received)[b"type"]]

        def info(received):
            return self.INFO if form(received)[b"submission_id"] == b"22" else {"data": {"status": "submitted"}}

        table = {
            "POST /v2/submission/new": {"data": {"submission_id": 22}},
            "POST /v2/submission/info": info,
            "POST /v2/server/online": {"data": {"online": True}},
            "POST /v2/analysis/download": download,
        }
        with StandIn(answers(table)) as server:
            client = at(server, JoeSandbox(KEY))
            self.assertEqual(client.submit_sample(self.written(MZ)), 22)
            sent = server.received[-1].parts()
            self.assertEqual((sent["sample"], sent["accept-tac"][1], sent["apikey"][1]), (("a b.exe", MZ), b"1", KEY.encode()))
            self.assertEqual([client.check_item_status(22), client.check_item_status(23)], [True, False])
            self.assertEqual(client.get_webid(22), "179")
            self.assertRaises(SandboxError, client.get_webid, 23)
            self.assertIs(client.available, True)
            self.assertEqual(client.score(client.report(22)), 10)
            self.assertEqual((client.pdf_report(22), client.xml_report(22)), (b"%PDF", b"<a/>"))
            self.assertEqual(client.common_report(22)["sandbox_report"]["classification"]["score"], 10)
            client.accept_tac = False
            client.submit_sample(self.written(MZ))
            self.assertEqual(server.received[-1].parts()["accept-tac"][1], b"0")
        for nothing in ({}, None, {"analysis": {"detection": {}}}):
            self.assertRaises(KeyError, client.score, nothing)
        self.assertRaises(ValueError, client.score, {"analysis": {"detection": {"score": 1, "maxscore": 0}}})

    def test_what_goes_wrong(self):
        """135-140: whether the server says so or is not there."""
        path = self.written(MZ)
        for status, body, text in [
            (403, b'{"errors": [{"code": 4, "message": "invalid API key"}]}', "invalid API key: 403"),
            (500, b"oh", "oh: 500"),
            (200, b"{}", "there is no 'data' where it must be"),
            (None, b"", None),
        ]:
            with StandIn(lambda _: Reply(status, body)) as server:
                client = at(server, JoeSandbox(KEY, timeout=5))
                if status is None:
                    server.server.shutdown()
                    server.server.server_close()
                calls = [
                    lambda: client.available,
                    lambda: client.submit_sample(path),
                    lambda: client.check_item_status(1),
                    lambda: client.get_webid(1),
                    lambda: client.report(1),
                    lambda: client.pdf_report(1),
                    lambda: client.xml_report(1),
                ]
                for call in calls[:2] if status is None else calls:
                    with self.assertRaises(SandboxError) as raised:
                        call()
                    if text is not None:
                        self.assertEqual(str(raised.exception), text)

    def test_common_report(self):
        """143."""
        hashes = {"md5": "aa", "sha1": "bb", "sha256": "cc"}
        no = {"label": None, "score": None, "category": None}
        rated = {"label": "SUSPICIOUS", "score": 2, "category": None}
        report = {
            "analysis": {
                "id": 7,
                "startdate": "09/05/2020",
                "starttime": "02:01:43",
                "system": "Windows 7",
                "sample": "a.doc",
                "detection": {"clean": False, "suspicious": True, "malicious": False, "unknown": False, "score": 29, "maxscore": 100},
                "hashes": hashes,
                "dropped": {"file": [{"name": "b.tmp", "md5": "dd", "sha1": None}]},
                "contacted": {
                    "domains": {"domain": [{"name": "d.test", "ip": "unknown"}, {"name": "e.test", "ip": "1.1.1.1", "malicious": True}]},
                    "ips": {"ip": [{"$": "192.0.2.1", "@malicious": "true"}, {"$": "192.0.2.2", "@malicious": "false"}]},
                },
            }
        }

        def session(ip, label):
            rest = ("protocol", "source_port", "destination_ip", "destination_port", "pcap")
            return {"label": label, "source_ip": ip, **dict.fromkeys(rest)}

        def file(name, hashes, classification):
            found = {**dict.fromkeys(("md5", "sha1", "sha256", "ssdeep")), **hashes}
            return {"name": name, "path": None, "hashes": found, "mime": None, "size": None, "classification": classification}

        wanted = {
            "sandbox_info": {"vendor": "Joe", "url": None, "id": 7, "start_time": "09/05/2020 02:01:43", "environment": "Windows 7"},
            "classification": rated,
            "files": {
                "submitted": [file("a.doc", hashes, rated)],
                "created": [file("b.tmp", {"md5": "dd"}, no)],
                "modified": [],
                "deleted": [],
            },
            "network": {
                "domains": [
                    {"name": "d.test", "ip": "unknown", "label": "UNKNOWN"},
                    {"name": "e.test", "ip": "1.1.1.1", "label": "MALICIOUS"},
                ],
                "sessions": [session("192.0.2.1", "MALICIOUS"), session("192.0.2.2", "UNKNOWN")],
            },
        }
        common = JoeReport()
        for _ in range(2):
            self.assertEqual(common(report), {"sandbox_report": wanted}, "also the second time")
        self.assertRaises(SandboxError, common, {})


class VMRay(Files):
    def test_addresses(self):
        """132, 144."""
        self.assertEqual(VMRaySandbox(KEY).base_url, "https://cloud.vmray.com/rest")
        for host in ("lab", "http://lab"):
            self.assertEqual(VMRaySandbox(KEY, host).base_url, "https://lab/rest")
        client = VMRaySandbox(config=self.config("[vmray]\napi_key = 12345678\nverify_ssl = false\nproxies = http://127.0.0.1:1080\n"))
        self.assertEqual((client.config.proxies, client.config.api_key), ("http://127.0.0.1:1080", "12345678"))
        self.assertEqual((client.verify_ssl, client.proxies, client.api_key), (False, "http://127.0.0.1:1080", "12345678"))

    def test_calls(self):
        """145-148, 150."""
        analyses = {"data": [{"analysis_id": 5, "analysis_vti_score": 70}, {"analysis_id": 6, "analysis_vti_score": 92}]}
        detailed = {"vti": {"vti_score": 92}, "analysis_details": {"job_id": 3}}
        table = {
            "POST /sample/submit": {"data": {"errors": [], "samples": [{"sample_id": 22}]}},
            "GET /submission/sample/1": {"data": [{"submission_finished": True}]},
            "GET /submission/sample/2": {"data": [{"submission_finished": False}]},
            "GET /submission/sample/3": {"data": [{"x": 1}]},
            "GET /analysis/sample/1": analyses,
            "GET /analysis/sample/2": {"data": []},
            "GET /analysis/6/archive/logs/summary.json": detailed,
            "GET /system_info": {},
        }
        with StandIn(answers(table)) as server:
            client = at(server, VMRaySandbox(KEY))
            self.assertEqual(client.submit_sample(self.written(MZ)), 22)
            self.assertEqual(server.received[-1].parts(), {"sample_file": ("a b.exe", MZ)})
            self.assertEqual(server.received[-1].headers["authorization"], f"api_key {KEY}")
            self.assertEqual([client.check_item_status(1), client.check_item_status(2)], [True, False])
            self.assertRaises(KeyError, client.check_item_status, 3)
            self.assertIs(client.available, True)
            self.assertEqual(client.top_ranked_analysis(client.report(1)), 6)
            self.assertEqual(client.detailed_report(6), detailed)
            common = client.common_report(1)["sandbox_report"]
            self.assertEqual((common["sandbox_info"]["id"], common["classification"]["score"]), (3, 9), "which always fails in the original")
            self.assertRaises(SandboxError, client.common_report, 2)

    def test_what_goes_wrong(self):
        """145-148, 150."""
        path = self.written(MZ)
        for status in (400, 403, 404):
            with StandIn(lambda _: Reply(status, b'{"result": "error", "error_msg": "not you"}')) as server:
                client = at(server, VMRaySandbox(KEY))
                self.assertIs(client.available, False)
                for call in (client.submit_sample, client.check_item_status, client.report, client.detailed_report):
                    with self.assertRaisesRegex(SandboxError, "not you"):
                        call(path if call == client.submit_sample else 1)
        with StandIn(lambda _: Reply(200, b'{"data": {}}')) as server:
            self.assertRaises(KeyError, at(server, VMRaySandbox(KEY)).submit_sample, path)
        quota = b'{"data": {"errors": [{"error_msg": "Quota exceeded"}], "samples": []}}'
        with StandIn(lambda _: Reply(200, quota)) as server:
            with self.assertRaisesRegex(SandboxError, "Quota exceeded"):
                at(server, VMRaySandbox(KEY)).submit_sample(path)

    def test_scores(self):
        """149, 151."""
        client = VMRaySandbox(KEY)
        analyses = [{"analysis_id": number, "analysis_vti_score": score} for number, score in ((1, 20), (2, 95), (3, 95), (4, None))]
        self.assertEqual(client.top_ranked_analysis({"data": analyses}), 2, "the first of two")
        for report in ({}, {"x": 1}, {"data": [{"x": 1}]}, {"data": None}):
            self.assertRaises(IndexError, client.top_ranked_analysis, report)
        for report, score in [
            ({"data": analyses}, 9),
            ({"data": [{"analysis_vti_score": 100}]}, 10),
            ({"vti": {"vti_score": 100}}, 10),
            ({"data": []}, -1),
            ({}, -1),
        ]:
            self.assertEqual(client.score(report), score)

    def test_common_report(self):
        """152: labels of created files are words of this form, and not the vendor's."""
        digests = {"md5_hash": "aa", "sha1_hash": "bb", "sha256_hash": "cc", "ssdeep_hash": "dd"}
        connection = {"remote_ip_address": "192.0.2.1", "remote_port": 80, "local_ip_address": "10.0.0.1", "local_port": 49152}
        report = {
            "analysis_details": {"job_id": 3, "creation_time": "2020-05-09 10:00 (UTC+2:00)"},
            "vm_and_analyzer_details": {"vm_description": "win7"},
            "artifacts": {
                "version": 1,
                "files": [
                    {"category": "SAMPLE", "filename": "a", "file_size": 3, "mime_type": "x/y", "hashes": [digests], "severity": "suspicious"},
                    {"filename": "b", "hashes": [], "severity": "not_suspicious"},
                ],
                "urls": [{"severity": "malicious"}],
            },
            "vti": {"vti_score": 92},
            "classifications": ["Downloader"],
            "network": {
                "dns_requests": [{"hostnames": ["d.test"], "ip_addresses": ["192.0.2.1"]}, {"hostnames": []}],
                "tcp_sessions": [{"connection": connection, "service": "http"}],
                "udp_sessions": [{}],
            },
        }
        common = VMRayReport()(report)["sandbox_report"]
        info = {"vendor": "VMRay", "url": None, "id": 3, "start_time": "2020-05-09 10:00 (UTC+2:00)", "environment": "win7"}
        self.assertEqual(common["sandbox_info"], info)
        self.assertEqual(common["classification"], {"label": "MALICIOUS", "score": 9, "category": "Downloader"})
        submitted, created = common["files"]["submitted"], common["files"]["created"]
        self.assertEqual(submitted[0]["hashes"], {"md5": "aa", "sha1": "bb", "sha256": "cc", "ssdeep": "dd"})
        self.assertEqual([submitted[0][name] for name in ("name", "mime", "size", "path")], ["a", "x/y", 3, None])
        self.assertEqual([one["classification"]["label"] for one in submitted + created], ["SUSPICIOUS", "BENIGN"])
        domains = [{"name": "d.test", "ip": "192.0.2.1", "label": None}, {"name": None, "ip": None, "label": None}]
        self.assertEqual(common["network"]["domains"], domains)
        first, second = common["network"]["sessions"]
        self.assertEqual(
            first,
            {
                "label": None,
                "protocol": "http",
                "source_ip": "10.0.0.1",
                "source_port": 49152,
                "destination_ip": "192.0.2.1",
                "destination_port": 80,
                "pcap": None,
            },
        )
        self.assertEqual(set(second.values()), {None})
        self.assertEqual(report["artifacts"]["version"], 1, "the report stays as it is")
        self.assertRaises(SandboxError, VMRayReport(), {"data": []})


class WildFire(Files):
    REPORT = (
        b"<wildfire><version>2.0</version><file_info><malware>yes</malware><sha256>0f</sha256><md5>aa</md5><size>55296</size></file_info>"
        b"<task_info><report><software>PE Static</software><network><TCP ip='192.0.2.1' port='80'/><dns query='d.test'/></network></report>"
        b"<report><software>Windows 7</software></report></task_info></wildfire>"
    )

    def verdict(self, verdict):
        return f"<wildfire><get-verdict-info><sha256>0f</sha256><verdict>{verdict}</verdict></get-verdict-info></wildfire>".encode()

    def test_addresses(self):
        """153, 164."""
        self.assertEqual(WildFireSandbox(KEY).base_url, "https://wildfire.paloaltonetworks.com/publicapi")
        for host in ("lab", "http://lab"):
            self.assertEqual(WildFireSandbox(KEY, host).base_url, "https://lab/publicapi")
        client = WildFireSandbox(config=self.config("[wildfire]\ntimeout = 10\nhost = lab\n"), timeout=5)
        self.assertEqual((client.timeout_secs, client.base_url), (5, "https://lab/publicapi"))

    def test_calls(self):
        """154, 159-161."""
        kinds = {b"xml": self.REPORT, b"pdf": b"%PDF"}
        table = {
            "POST /submit/file": b"<wildfire><upload-file-info><sha256>0f</sha256></upload-file-info></wildfire>",
            "POST /get/report": lambda received: kinds[received.body.rsplit(b"format=", 1)[1]],
            "POST /get/verdict": lambda _: Reply(200, self.verdict(1), XML),
            "GET /get/sample": Reply(405),
        }
        with StandIn(answers(table)) as server:
            client = at(server, WildFireSandbox(KEY))
            self.assertEqual(client.submit_sample(self.written(MZ)), "0f")
            sent = server.received[-1].parts()
            self.assertEqual((sent["apikey"], sent["file"]), ((None, KEY.encode()), ("a b.exe", MZ)))
            report = client.report("0f")
            self.assertEqual(server.received[-1].body, f"apikey={KEY}&hash=0f&format=xml".encode())
            self.assertEqual(report["wildfire"]["file_info"]["sha256"], "0f")
            self.assertEqual((client.xml_report("0f"), client.pdf_report("0f")), (self.REPORT, b"%PDF"))
            self.assertEqual(client.score(report), 8)
            self.assertEqual(client.common_report("0f")["sandbox_report"]["classification"]["score"], 8)
            self.assertIs(client.available, True)
            self.assertNotIn(KEY.encode(), server.received[-1].body)
        for status in (200, 500):
            with StandIn(lambda _: Reply(status)) as server:
                self.assertIs(at(server, WildFireSandbox(KEY)).available, False)

    def test_verdicts(self):
        """155-158, 163: and 5, command-and-control, which the original does not know."""
        client = WildFireSandbox(KEY)
        self.assertEqual((wildfire.BENIGN, wildfire.MALWARE, wildfire.GRAYWARE, wildfire.PHISHING), (0, 1, 2, 4))
        report = {"wildfire": {"file_info": {"sha256": "0f"}}}
        for verdict, finished, score in [(0, True, 0), (1, True, 8), (2, True, 2), (4, True, 5), (5, True, 5), (-100, False, -100)]:
            with StandIn(lambda _: Reply(200, self.verdict(verdict), XML)) as server:
                at(server, client)
                self.assertIs(client.check_item_status("0f"), finished)
                self.assertEqual((client._get_verdict("0f"), client.score(report)), (verdict, score))
        for verdict, error in [(-101, SandboxError), (-102, SandboxError), (-103, SandboxError), (99, SandboxError), ("x", ValueError)]:
            with StandIn(lambda _: Reply(200, self.verdict(verdict), XML)) as server:
                self.assertRaises(error, at(server, client).check_item_status, "0f")
        with StandIn(lambda _: Reply(200, b"<wildfire/>", XML)) as server:
            self.assertRaises(KeyError, at(server, client).check_item_status, "0f")
        with StandIn(lambda _: Reply(401, b"")) as server:
            with self.assertRaisesRegex(SandboxError, "^No API key provided.$"):
                at(server, WildFireSandbox()).check_item_status("0f")

    def test_what_goes_wrong(self):
        """154, 162."""
        path = self.written(MZ)
        client = WildFireSandbox(KEY)
        with StandIn(lambda _: Reply(404, b"oh")) as server:
            with self.assertRaisesRegex(SandboxError, "^oh: 404$"):
                at(server, client).submit_sample(path)
        with StandIn(lambda _: Reply(200, b"<wildfire/>")) as server:
            self.assertRaises(KeyError, at(server, client).submit_sample, path)
        with StandIn(lambda _: Reply(200, b"<error><error-message>'Invalid hash'</error-message></error>")) as server:
            with self.assertRaisesRegex(SandboxError, "Invalid hash"):
                at(server, client).report("0f")

    def test_common_report(self):
        """165."""
        report = WildFireSandbox(KEY).decode(type("Answer", (), {"content": self.REPORT}))
        common = WildFireReport()(report, score=8)["sandbox_report"]
        info = {"vendor": "WildFire", "url": None, "id": "0f", "start_time": None, "environment": "PE Static"}
        self.assertEqual(common["sandbox_info"], info)
        rated = {"label": "MALICIOUS", "score": 8, "category": None}
        self.assertEqual(common["classification"], rated)
        (file,) = common["files"]["submitted"]
        self.assertEqual((file["hashes"]["sha256"], file["hashes"]["sha1"], file["size"]), ("0f", None, 55296))
        self.assertEqual(file["classification"], rated)
        self.assertEqual(common["network"]["domains"], [{"name": "d.test", "ip": None, "label": None}])
        (session,) = common["network"]["sessions"]
        self.assertEqual((session["protocol"], session["destination_ip"], session["destination_port"]), ("TCP", "192.0.2.1", "80"))
        for malware, label in (("no", "BENIGN"), ("suspicious", "SUSPICIOUS"), ("?", "UNKNOWN"), (None, "UNKNOWN")):
            report["wildfire"]["file_info"]["malware"] = malware
            self.assertEqual(WildFireReport()(report)["sandbox_report"]["classification"]["label"], label)
        self.assertRaises(SandboxError, WildFireReport(), {})
