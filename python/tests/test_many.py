"""Several sandboxes, and servers that execute."""

import asyncio
import io
import json
import os
import tempfile
import unittest

import belljar
from stand_in import Reply, StandIn
from test_sandbox import REPORT, cuckoo
from test_sandbox_api import ID, OUTCOME, serve

LONG = 60


def unknown(request):
    """A Cuckoo that knows no hash, and finds nothing."""
    if request.target.startswith("/files/view/"):
        return Reply(404, b"{}")
    if request.target == "/tasks/report/7/json":
        return Reply(body=b'{"info": {"score": 0.4}, "signatures": []}')
    return cuckoo(request)


class Many(unittest.TestCase):
    """One sample to several."""

    def setUp(self):
        self.servers = [StandIn(answer) for answer in (cuckoo, unknown, lambda request: Reply(403, b"{}"))]
        for server in self.servers:
            self.addCleanup(server.__exit__, None, None, None)

    def sandboxes(self, kind=belljar.Sandbox):
        names = ("knows", "new", "forbids")
        return [kind("cuckoo", server.address, name=name) for server, name in zip(self.servers, names)]

    def judged(self, judged):
        self.assertEqual(judged.consensus.verdict, belljar.Word.MALICIOUS)
        self.assertEqual(judged.consensus.score, 82)
        self.assertEqual([vote.sandbox for vote in judged.consensus.votes], ["knows", "new", "forbids"])
        knows, new, forbids = judged.asked
        self.assertEqual((knows.way, new.way, forbids.way), ("known", "submitted", None))
        self.assertEqual(knows.submission, belljar.Submission("7"))
        self.assertEqual(knows.report.raw_json(), REPORT)
        self.assertEqual(new.verdict.verdict, belljar.Word.UNKNOWN)
        self.assertIsInstance(forbids.error, belljar.ForbiddenError)
        self.assertEqual((forbids.error.sandbox, forbids.verdict, forbids.report), ("forbids", None, None))
        self.assertEqual(belljar.consensus(judged.consensus.votes), judged.consensus)
        self.assertNotIn("POST /tasks/create/file", self.servers[0].lines())
        self.assertIn("POST /tasks/create/file", self.servers[1].lines())

    def test_what_all_say_together(self):
        events = []
        judged = belljar.submit_to_many(
            self.sandboxes(), io.BytesIO(b"MZ"), timeout=LONG, keep_reports=True, on_event=events.append
        )
        self.judged(judged)
        self.assertEqual(len(judged.hash), 64)
        happened = {(event.sandbox, event.happened) for event in events}
        for expected in [("knows", "looking_up"), ("new", "submitting"), ("knows", "judged"), ("forbids", "failed")]:
            self.assertIn(expected, happened)

    def test_coroutines_and_addresses(self):
        events = []
        sandboxes = self.sandboxes(belljar.AsyncSandbox)
        self.judged(
            asyncio.run(
                belljar.async_submit_to_many(
                    sandboxes, b"MZ", timeout=LONG, keep_reports=True, on_event=events.append
                )
            )
        )
        self.assertIn("judged", {event.happened for event in events})
        judged = belljar.submit_to_many(sandboxes[1:2], url="http://example.org/", wait=False)
        self.assertEqual((judged.hash, judged.asked[0].submission.id), (None, "7"))
        self.assertEqual(self.servers[1].received[-1].line, "POST /tasks/create/url")

    def test_what_makes_no_sense(self):
        for arguments in ({}, {"sample": b"x", "url": "http://example.org"}, {"sample": b""}):
            with self.assertRaises(ValueError):
                belljar.submit_to_many(self.sandboxes(), **arguments)
        with self.assertRaises(OSError):
            belljar.submit_to_many(self.sandboxes(), "/nowhere/at/all")
        cloud = belljar.Cuckoo("https://cuckoo.cert.ee")
        with self.assertRaises(belljar.PublicError):
            belljar.submit_to_many([*self.sandboxes(), cloud], b"x")
        self.assertEqual([server.received for server in self.servers], [[], [], []])
        self.assertEqual(belljar.consensus([]).verdict, belljar.Word.UNKNOWN)


class Executing(unittest.TestCase):
    """Servers that execute."""

    def test_an_execution(self):
        with StandIn(serve) as server, tempfile.NamedTemporaryFile(suffix=".tgz") as file:
            file.write(b"archive")
            file.flush()
            with belljar.Execution(server.address, key="s3cret-k3y") as execution:
                outcome = execution.execute(
                    ["make", {"command": "./x", "timeout": 0.5}], archive=file.name, environ={"A": "b"}, save=True
                )
                self.assertTrue(outcome.ok)
                self.assertEqual(outcome.commands[0], belljar.Executed("echo 2", 0, "2", "", OUTCOME["execution"][0]["time"]))
                sent = server.received[-1]
                self.assertEqual(sent.headers["authorization"], "Bearer s3cret-k3y")
                parts = sent.parts()
                self.assertEqual(
                    json.loads(parts["config"][1]),
                    {"commands": ["make", {"command": "./x", "timeout": 0.5}], "environ": {"A": "b"}, "save": True},
                )
                self.assertEqual(parts["environment"], (os.path.basename(file.name), b"archive"))
                execution.execute("true", archive=io.BytesIO(b"archive"))
                self.assertEqual(server.received[-1].parts()["environment"], ("environment", b"archive"))
                self.assertEqual(execution.check(ID), 7)
                self.assertIsNone(execution.check("unknown"))
                self.assertEqual(execution.download(ID).read(), b"archive")
                self.assertEqual(execution.download(ID, "dir/a b?#é.txt").read(), b"contents")
                self.assertEqual(execution.usage(), {"container": 1})
                self.assertEqual(execution.libraries(), {"python": []})
                self.assertEqual(execution.specifications(), {"host": {}})
                with self.assertRaises(belljar.HttpError) as raised:
                    execution.download("unknown")
                self.assertEqual((raised.exception.status, raised.exception.vendor), (404, "premierlangage"))
                self.assertEqual(raised.exception.body, b"The environment could not be found")
                self.assertEqual(raised.exception.url, f"{server.address}/environments/unknown/")

    def test_coroutines(self):
        async def ask(address):
            async with belljar.AsyncExecution(address) as execution:
                self.assertTrue((await execution.execute("true", archive=b"archive")).ok)
                self.assertEqual(await execution.check(ID, "empty"), 0)
                self.assertEqual(await (await execution.download(ID)).read(), b"archive")
                self.assertEqual(await execution.usage(), {"container": 1})
                self.assertEqual(await execution.libraries(), {"python": []})
                self.assertEqual(await execution.specifications(), {"host": {}})

        with StandIn(serve) as server:
            asyncio.run(ask(server.address))
