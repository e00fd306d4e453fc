"""Calls of a sandbox, by threads."""

import datetime
import hashlib
import io
import json
import os
import pathlib
import pickle
import tempfile
import unittest

import belljar
from stand_in import Reply, StandIn

REPORT = {
    "info": {"score": 8.2, "id": 7},
    "target": {"file": {"name": "invoice.exe", "sha256": hashlib.sha256(b"MZ").hexdigest()}},
    "signatures": [{"name": "steals_passwords", "description": "Steals passwords", "severity": 3}],
    "network": {"domains": [{"domain": "evil.example"}]},
}


def cuckoo(request):
    """A Cuckoo in which task 7 is finished."""
    path = request.target
    if path in ("/tasks/create/file", "/tasks/create/url"):
        return Reply(body=b'{"task_id": 7}')
    if path == "/tasks/view/7":
        return Reply(body=b'{"task": {"id": 7, "status": "reported"}}')
    if path == "/tasks/report/7/json":
        return Reply(body=json.dumps(REPORT).encode())
    if path == "/pcap/get/7":
        return Reply(body=b"\xd4\xc3\xb2\xa1" + bytes(300_000), headers={"content-type": "application/octet-stream"})
    if path == "/tasks/delete/7":
        return Reply()
    if path == "/cuckoo/status":
        return Reply(body=b'{"version": "2.0.7", "tasks": {"pending": 3, "running": 1}}')
    if path.startswith("/files/view/sha256/"):
        return Reply(body=b'{"sample": {"tasks": [7]}}')
    return Reply(404, b'{"message": "no such thing"}')


class Asking(unittest.TestCase):
    """Everything that a sandbox is asked."""

    def setUp(self):
        self.server = self.enter(StandIn(cuckoo))
        self.sandbox = belljar.Sandbox("cuckoo", self.server.address, name="lab", key="the-key-of-it")

    def enter(self, context):
        # unittest has its own from Python 3.11 on.
        entered = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return entered

    def test_an_analysis_from_its_submission_to_its_end(self):
        sandbox = self.sandbox
        submission = sandbox.submit(b"MZ", name="invoice.exe", options={"package": "exe", "priority": 2, "memory": True})
        self.assertEqual(submission, belljar.Submission("7"))
        self.assertEqual(str(submission), "7")
        seen = []
        sandbox.wait(submission, timeout=datetime.timedelta(minutes=1), on_status=seen.append)
        self.assertEqual(seen, [belljar.Status("finished")])
        self.assertTrue(sandbox.status(submission).finished)
        report = sandbox.report(submission)
        self.assertEqual(report.verdict.verdict, belljar.Word.MALICIOUS)
        self.assertEqual((report.verdict.score, report.verdict.raw.value), (82, 8.2))
        self.assertEqual(report.findings[0].name, "steals_passwords")
        self.assertEqual(report.findings[0].severity, 100)
        self.assertIn(belljar.Indicator("domain", "evil.example"), report.indicators)
        self.assertEqual(json.loads(report.raw), REPORT)
        self.assertEqual(report.raw_json(), REPORT)
        self.assertEqual(report.raw_length, len(report.raw))
        self.assertEqual(report.to_dict()["verdict"]["verdict"], "malicious")
        self.assertEqual(sandbox.verdict("7"), report.verdict)
        sandbox.delete(submission)
        first = self.server.received[0]
        self.assertEqual(first.line, "POST /tasks/create/file")
        self.assertEqual(first.headers["authorization"], "Bearer the-key-of-it")
        self.assertEqual(
            first.parts(),
            {
                "memory": (None, b"true"),
                "package": (None, b"exe"),
                "priority": (None, b"2"),
                "file": ("invoice.exe", b"MZ"),
            },
        )
        self.assertEqual(self.server.lines()[-1], "GET /tasks/delete/7")

    def test_all_that_can_be_submitted(self):
        large = os.urandom(5 << 20)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "a file.bin")
            path.write_bytes(large)
            half_read = io.BytesIO(b"headbody")
            half_read.read(4)
            with open(path, "rb") as opened:
                for sample, name, sent in [
                    (path, "a file.bin", large),
                    (str(path), "a file.bin", large),
                    (b"bytes", "sample", b"bytes"),
                    (bytearray(b"array"), "sample", b"array"),
                    (memoryview(b"view"), "sample", b"view"),
                    (opened, "a file.bin", large),
                    (io.BytesIO(b"held"), "sample", b"held"),
                    (half_read, "sample", b"body"),
                    (io.BytesIO(large), "sample", large),
                ]:
                    with self.subTest(type(sample).__name__):
                        self.sandbox.submit(sample)
                        called, got = self.server.received[-1].parts()["file"]
                        self.assertEqual(called, name)
                        self.assertTrue(got == sent)

    def test_nothing_is_never_submitted(self):
        with tempfile.NamedTemporaryFile() as empty:
            at_its_end = io.BytesIO(b"x")
            at_its_end.read()
            for sample, error, words in [
                (b"", belljar.SampleError, "empty"),
                (empty.name, belljar.SampleError, "empty"),
                (at_its_end, ValueError, "seek"),
                (open(empty.name, "rb"), ValueError, "seek"),
                (io.StringIO("text"), TypeError, "rb"),
                ("/nowhere/at/all", belljar.SampleError, "No such file"),
                ("/dev/zero", belljar.SampleError, "regular"),
                ("http://example.org/x", ValueError, "submit_url"),
                (7, TypeError, "int"),
                (None, TypeError, "NoneType"),
            ]:
                with self.subTest(repr(sample)), self.assertRaisesRegex(error, words):
                    self.sandbox.submit(sample)
                getattr(sample, "close", lambda: None)()
        self.assertEqual(self.server.received, [])

    def test_an_address_and_a_hash(self):
        self.assertEqual(self.sandbox.submit_url("http://example.org/?a=b&c").id, "7")
        self.assertEqual(self.server.received[-1].parts(), {"url": (None, b"http://example.org/?a=b&c")})
        self.assertEqual(self.sandbox.look_up("A" * 64), belljar.Submission("7"))
        self.assertIsNone(self.sandbox.look_up("a" * 32))
        with self.assertRaisesRegex(ValueError, "MD5"):
            self.sandbox.look_up("abc")

    def test_whether_it_is_there_and_what_waits(self):
        self.assertEqual(self.sandbox.available().version, "2.0.7")
        self.assertEqual(self.sandbox.queue(), belljar.Queue(3, 1))
        self.assertIn("artifact:pcap", self.sandbox.capabilities)
        self.assertIn("submit_url", self.sandbox.capabilities)
        self.assertEqual(repr(self.sandbox), f"<Sandbox lab (cuckoo) at {self.server.address}>")

    def test_artifacts_come_in_pieces_or_into_a_file(self):
        whole = b"\xd4\xc3\xb2\xa1" + bytes(300_000)
        download = self.sandbox.artifact("7", "pcap")
        self.assertEqual(download.length, len(whole))
        pieces = list(download)
        self.assertGreater(len(pieces), 1)
        self.assertTrue(b"".join(pieces) == whole)
        self.assertEqual(list(download), [])
        self.assertTrue(self.sandbox.artifact("7", "pcap").read() == whole)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "traffic.pcap")
            self.assertEqual(self.sandbox.artifact("7", "pcap").save(path), len(whole))
            self.assertTrue(path.read_bytes() == whole)
            for act in (lambda got: got.read(1000), lambda got: got.save(path.with_name("other"), 1000)):
                with self.assertRaises(belljar.TooLargeError):
                    act(self.sandbox.artifact("7", "pcap"))
            with self.assertRaises(belljar.SinkError):
                self.sandbox.artifact("7", "pcap").save("/nowhere/at/all")
            self.assertEqual(self.sandbox.report("7").save(path.with_name("report")), len(json.dumps(REPORT)))
            self.assertEqual(sorted(os.listdir(directory)), ["report", "traffic.pcap"])
        with self.assertRaisesRegex(ValueError, "pcap"):
            self.sandbox.artifact("7", "pcaps")
        with self.assertRaises(belljar.UnsupportedError):
            self.sandbox.artifact("7", "xml")

    def test_a_submission_is_kept_as_text(self):
        submission = belljar.Submission("7", {"job": "9"}, ["8"])
        self.assertEqual(belljar.Submission.from_json(submission.to_json()), submission)
        self.assertEqual(pickle.loads(pickle.dumps(submission)), submission)
        with self.assertRaises(TypeError):
            self.sandbox.status(7)


class Failing(unittest.TestCase):
    """What goes wrong is told apart."""

    def fails(self, reply, act=lambda sandbox: sandbox.report("7"), **settings):
        with StandIn(lambda request: reply) as server:
            sandbox = belljar.Sandbox("cuckoo", server.address, name="lab", tries=1, **settings)
            with self.assertRaises(belljar.Error) as raised:
                act(sandbox)
            return raised.exception

    def test_every_answer_has_its_exception(self):
        for status, kind, fault, retryable in [
            (401, belljar.UnauthenticatedError, "caller", False),
            (403, belljar.ForbiddenError, "caller", False),
            (404, belljar.NotFoundError, "caller", False),
            (413, belljar.RefusedError, "caller", False),
            (429, belljar.QuotaError, "caller", True),
            (418, belljar.StatusError, "caller", False),
            (500, belljar.StatusError, "sandbox", True),
        ]:
            with self.subTest(status):
                error = self.fails(Reply(status, b'{"message": "why"}', {"retry-after": "7"}))
                self.assertIs(type(error), kind)
                self.assertEqual(
                    (error.sandbox, error.vendor, error.step, error.fault, error.retryable),
                    ("lab", "cuckoo", "report", fault, retryable),
                )
                self.assertIn("why", str(error))
                if status == 429:
                    self.assertEqual(error.retry_after, 7.0)
                if status == 500:
                    self.assertEqual(error.status, 500)
                again = pickle.loads(pickle.dumps(error))
                self.assertEqual((type(again), str(again), vars(again)), (type(error), str(error), vars(error)))

    def test_answers_that_make_no_sense(self):
        self.assertIsInstance(self.fails(Reply(body=b"<html>")), belljar.MalformedError)
        self.assertIsInstance(self.fails(Reply(body=b'{"info":', missing=100)), belljar.TransportError)
        self.assertIsInstance(self.fails(Reply(body=b" " * 100), max_answer=10), belljar.TooLargeError)

    def test_a_failed_analysis_ends_the_wait(self):
        failed = Reply(body=b'{"task": {"id": 7, "status": "failed_analysis"}}')
        error = self.fails(failed, lambda sandbox: sandbox.wait("7", 60))
        self.assertIsInstance(error, belljar.AnalysisFailedError)
        self.assertEqual(error.step, "wait")

    def test_a_wait_has_an_end(self):
        pending = Reply(body=b'{"task": {"id": 7, "status": "pending"}}')
        heard = []
        error = self.fails(pending, lambda sandbox: sandbox.wait("7", 0.3, first=0.05, on_status=heard.append))
        self.assertIsInstance(error, belljar.TimedOutError)
        self.assertIsInstance(error, TimeoutError)
        self.assertEqual(heard, [belljar.Status("queued")])

    def test_what_hears_of_a_status_may_end_the_wait(self):
        with StandIn(lambda request: Reply(body=b'{"task": {"id": 7, "status": "pending"}}')) as server:
            def hear(status):
                raise KeyError(status.state)

            with self.assertRaisesRegex(KeyError, "queued"):
                belljar.Sandbox("cuckoo", server.address).wait("7", 60, on_status=hear)

    def test_no_connection(self):
        with StandIn(cuckoo) as server:
            address = server.address
        with self.assertRaises(belljar.TransportError) as raised:
            belljar.Sandbox("cuckoo", address, tries=1).available()
        self.assertIsInstance(raised.exception, ConnectionError)
        self.assertEqual((raised.exception.fault, raised.exception.sent), ("network", False))

    def test_a_key_that_is_echoed_is_not_told(self):
        error = self.fails(Reply(500, b'{"message": "wrong key s3cret-k3y"}'), key="s3cret-k3y")
        self.assertNotIn("s3cret-k3y", str(error) + repr(error))
        self.assertIn("[secret]", str(error))


class Settings(unittest.TestCase):
    """What a sandbox is told before it is asked anything."""

    def test_what_is_wrong_is_told_without_the_key(self):
        for settings, words in [
            ({"vendor": "cuckooo", "address": "http://127.0.0.1"}, "did you mean \"cuckoo\""),
            ({"vendor": "cuckoo"}, "address"),
            ({"vendor": "cuckoo", "address": "ftp://127.0.0.1"}, "ftp"),
            ({"vendor": "cuckoo", "address": "http://127.0.0.1", "kee": "s3cret-k3y"}, "kee"),
            ({"vendor": "cuckoo", "address": "http://127.0.0.1", "key": 12345678}, "key"),
            ({"vendor": "cuckoo", "address": "http://127.0.0.1", "tries": 0}, "tries"),
            ({"vendor": "cuckoo", "address": "http://127.0.0.1", "key": {"env": "NO_SUCH_VARIABLE"}}, "NO_SUCH_VARIABLE"),
        ]:
            with self.subTest(words), self.assertRaises(belljar.ConfigError) as raised:
                belljar.Sandbox(**settings)
            self.assertIn(words, str(raised.exception))
            self.assertIsInstance(raised.exception, ValueError)
            self.assertNotIn("s3cret-k3y", str(raised.exception))
            self.assertNotIn("12345678", str(raised.exception))

    def test_a_configuration_file(self):
        with StandIn(cuckoo) as server, tempfile.TemporaryDirectory() as directory:
            key = pathlib.Path(directory, "key")
            key.write_text("of-a-file\n")
            key.chmod(0o600)
            config = pathlib.Path(directory, "belljar.toml")
            config.write_text(
                f"[sandbox.lab]\nvendor = 'cuckoo'\naddress = '{server.address}'\nkey = {{ file = '{key}' }}\n"
                "environment = 'win10'\noptions = { package = 'exe', priority = 1 }\n"
            )
            sandbox = belljar.Cuckoo.from_config(config, "lab")
            self.assertIsInstance(sandbox, belljar.Cuckoo)
            self.assertEqual(sandbox.warnings, [])
            sandbox.submit(b"x", options={"priority": 3})
            sent = server.received[-1]
            self.assertEqual(sent.headers["authorization"], "Bearer of-a-file")
            parts = {name: value for name, (_, value) in sent.parts().items()}
            self.assertEqual(parts, {"machine": b"win10", "package": b"exe", "priority": b"3", "file": b"x"})
            with self.assertRaisesRegex(belljar.ConfigError, "lab"):
                belljar.Sandbox.from_config(config, "lap")

    def test_nothing_goes_to_a_cloud_by_accident(self):
        sandbox = belljar.Sandbox("cuckoo", "https://cuckoo.cert.ee")
        for act in (lambda: sandbox.submit(b"x"), lambda: sandbox.submit_url("http://example.org")):
            with self.assertRaisesRegex(belljar.PublicError, "cuckoo.cert.ee"):
                act()

    def test_every_vendor_has_its_classes(self):
        names = {vendor.name for vendor in belljar.vendors()}
        classes = [found for found in vars(belljar).values() if getattr(found, "_product", None)]
        for kind in (belljar.Sandbox, belljar.AsyncSandbox):
            self.assertLessEqual(names, {found._product for found in classes if issubclass(found, kind)})
        cuckoo = next(vendor for vendor in belljar.vendors() if vendor.name == "cuckoo")
        self.assertIn(("key", "secret"), [(one.name, one.kind) for one in cuckoo.settings])

    def test_words_are_in_order(self):
        word = belljar.Word
        self.assertEqual(sorted([word.MALICIOUS, word.CLEAN, word.SUSPICIOUS, word.UNKNOWN]), list(word))
        self.assertTrue(word.SUSPICIOUS > "clean" and word.UNKNOWN <= "unknown" and word.CLEAN < word.UNKNOWN)
        self.assertEqual(f"{word.CLEAN}", "clean")
