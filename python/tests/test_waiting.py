"""Threads, coroutines, signals and forks: who waits, and who does not."""

import asyncio
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import belljar
from stand_in import Reply, StandIn
from test_sandbox import REPORT, cuckoo

# For what takes no time on a machine that has some.
LONG = 60


class Held:
    """Answers when it is told to."""

    def __init__(self, answer=cuckoo):
        self.asked = threading.Event()
        self.free = threading.Event()
        self.answer = answer

    def __call__(self, request):
        self.asked.set()
        self.free.wait(LONG)
        return self.answer(request)


class Threads(unittest.TestCase):
    """Calls by threads."""

    def test_others_run_while_one_waits(self):
        held = Held()
        with StandIn(held) as server:
            sandbox = belljar.Sandbox("cuckoo", server.address)
            found = []
            waiting = threading.Thread(target=lambda: found.append(sandbox.available()))
            waiting.start()
            # With the interpreter held by the thread that waits this would never be reached.
            self.assertTrue(held.asked.wait(LONG))
            self.assertEqual(found, [])
            held.free.set()
            waiting.join(LONG)
            self.assertEqual(found[0].version, "2.0.7")

    def test_many_use_one_sandbox(self):
        with StandIn(cuckoo) as server:
            sandbox = belljar.Sandbox("cuckoo", server.address)
            found = []

            def ask():
                for _ in range(5):
                    submission = sandbox.submit(b"x")
                    sandbox.wait(submission, LONG)
                    found.append(sandbox.report(submission).raw_json() == REPORT)

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LONG)
            self.assertEqual(found, [True] * 40)

    def test_a_signal_ends_a_call(self):
        held = Held()
        with StandIn(held) as server:
            program = (
                "import belljar, sys\n"
                "sandbox = belljar.Sandbox('cuckoo', sys.argv[1], read_timeout=600)\n"
                "try:\n    sandbox.available()\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
            )
            child = subprocess.Popen([sys.executable, "-c", program, server.address], stdout=subprocess.PIPE, cwd="/")
            self.assertTrue(held.asked.wait(LONG))
            child.send_signal(signal.SIGINT)
            output, _ = child.communicate(timeout=LONG)
            held.free.set()
            self.assertEqual((output, child.returncode), (b"interrupted\n", 0))

    def test_an_interpreter_ends_in_the_middle_of_calls(self):
        held = Held()
        with StandIn(held) as server:
            program = (
                "import asyncio, belljar, sys, threading\n"
                "sandbox = belljar.AsyncSandbox('cuckoo', sys.argv[1])\n"
                "other = belljar.Sandbox('cuckoo', sys.argv[1])\n"
                "threading.Thread(target=other.available, daemon=True).start()\n"
                "async def main():\n"
                "    call = asyncio.ensure_future(sandbox.available())\n"
                "    await asyncio.sleep(0)\n"
                "    sys.stdin.read()\n"
                "asyncio.run(main())\n"
            )
            child = subprocess.Popen([sys.executable, "-c", program, server.address], stdin=subprocess.PIPE, cwd="/")
            self.assertTrue(held.asked.wait(LONG))
            child.stdin.close()
            self.assertEqual(child.wait(LONG), 0)
            held.free.set()


@unittest.skipUnless(hasattr(os, "fork"), "no fork here")
class Forks(unittest.TestCase):
    """A child has no threads of its parent's."""

    def in_a_child(self, act):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if act() else 2
            except BaseException as error:
                os.write(2, f"{error!r}\n".encode())
            finally:
                os._exit(code)
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "it hangs"

    def test_a_child_asks_by_itself(self):
        with StandIn(cuckoo) as server:
            sandbox = belljar.Sandbox("cuckoo", server.address)
            # So that there are threads, and a connection that could be used again.
            sandbox.available()
            download = sandbox.artifact("7", "pcap")

            def ask():
                with_download = False
                try:
                    next(download)
                except RuntimeError:
                    with_download = True
                return with_download and sandbox.available().version == "2.0.7" and sandbox.report("7").raw_json() == REPORT

            self.assertEqual(self.in_a_child(ask), 0)
            self.assertEqual(len(download.read()), 300_004)
            self.assertEqual(sandbox.available().version, "2.0.7")

    def test_a_child_of_a_parent_that_is_busy(self):
        held = Held()
        with StandIn(held) as server, StandIn(cuckoo) as other:
            sandbox = belljar.Sandbox("cuckoo", server.address)
            waiting = threading.Thread(target=sandbox.available)
            waiting.start()
            self.assertTrue(held.asked.wait(LONG))

            def ask():
                return belljar.Sandbox("cuckoo", other.address).available().version == "2.0.7"

            self.assertEqual(self.in_a_child(ask), 0)
            held.free.set()
            waiting.join(LONG)


class Coroutines(unittest.TestCase):
    """Calls by coroutines."""

    def test_an_analysis_from_its_submission_to_its_end(self):
        async def ask(address):
            async with belljar.AsyncCuckoo(address) as sandbox:
                submission = await sandbox.submit(b"MZ", name="invoice.exe")
                seen = []
                await sandbox.wait(submission, LONG, on_status=seen.append)
                self.assertEqual(seen, [belljar.Status("finished")])
                self.assertTrue((await sandbox.status(submission)).finished)
                report = await sandbox.report(submission)
                self.assertEqual(report.raw_json(), REPORT)
                self.assertEqual(await sandbox.verdict("7"), report.verdict)
                self.assertEqual((await sandbox.submit_url("http://example.org")).id, "7")
                self.assertEqual(await sandbox.look_up("a" * 64), belljar.Submission("7"))
                self.assertIsNone(await sandbox.look_up("a" * 40))
                self.assertEqual(await sandbox.queue(), belljar.Queue(3, 1))
                self.assertEqual((await sandbox.available()).version, "2.0.7")
                pieces = [piece async for piece in await sandbox.artifact("7", "pcap")]
                self.assertEqual(len(b"".join(pieces)), 300_004)
                self.assertEqual(len(await (await sandbox.artifact("7", "pcap")).read()), 300_004)
                with tempfile.TemporaryDirectory() as directory:
                    path = pathlib.Path(directory, "x")
                    self.assertEqual(await (await sandbox.artifact("7", "pcap")).save(path), 300_004)
                    with open(path, "rb") as opened:
                        await sandbox.submit(opened)
                await sandbox.delete(submission)
                with self.assertRaises(belljar.NotFoundError):
                    await sandbox.report("8")
                with self.assertRaises(belljar.SampleError):
                    await sandbox.submit(b"")

        with StandIn(cuckoo) as server:
            asyncio.run(ask(server.address))

    def test_one_object_in_two_loops(self):
        with StandIn(cuckoo) as server:
            sandbox = belljar.AsyncSandbox("cuckoo", server.address)
            for _ in range(2):
                self.assertEqual(asyncio.run(sandbox.available()).version, "2.0.7")

    def test_others_run_while_one_waits_and_one_that_is_cancelled_ends(self):
        held = Held()

        async def ask(address):
            sandbox = belljar.AsyncSandbox("cuckoo", address)
            call = asyncio.ensure_future(sandbox.available())
            while not held.asked.is_set():
                await asyncio.sleep(0.001)
            call.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await call
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(sandbox.available(), 0.05)

        with StandIn(held) as server:
            asyncio.run(ask(server.address))
            held.free.set()

    def test_many_at_once(self):
        async def ask(address):
            sandbox = belljar.AsyncSandbox("cuckoo", address)

            async def analyse():
                submission = await sandbox.submit(b"x")
                await sandbox.wait(submission, LONG)
                return (await sandbox.report(submission)).verdict.verdict

            found = await asyncio.gather(*(analyse() for _ in range(20)))
            self.assertEqual(found, [belljar.Word.MALICIOUS] * 20)

        with StandIn(cuckoo) as server:
            asyncio.run(ask(server.address))


class Large(unittest.TestCase):
    """A report that does not fit into memory comfortably is on disk until somebody wants it."""

    def test_a_large_report_is_whole(self):
        large = json.dumps({**REPORT, "behavior": ["x" * 1000] * 6000}).encode()
        with StandIn(lambda request: Reply(body=large)) as server, tempfile.TemporaryDirectory() as directory:
            report = belljar.Sandbox("cuckoo", server.address).report("7")
            self.assertEqual(report.raw_length, len(large))
            self.assertTrue(report.raw == large)
            path = pathlib.Path(directory, "report.json")
            report.save(path)
            self.assertTrue(path.read_bytes() == large)
