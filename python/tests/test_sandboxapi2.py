"""The interface of the branch of InQuest's sandboxapi that was to become 2.0. Numbers are those of the list of behaviours that its own tests check."""

import json
import os
import pathlib
import stat
import tempfile
import threading
import unittest

from belljar import sandboxapi, sandboxapi2
from belljar.sandboxapi2 import CuckooSandbox, Sandbox, SandboxError, base
from stand_in import Reply, StandIn
from test_sandboxapi import KEY, answers

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
        self.assertIs(sandboxapi2.CuckooAPI, sandboxapi.cuckoo.CuckooAPI)
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
