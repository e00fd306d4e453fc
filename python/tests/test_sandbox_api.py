"""The drop-in for PremierLangage's ``sandbox_api``. Numbers in comments are those of the behaviours that its own tests check."""

import asyncio
import http
import io
import json
import pathlib
import pickle
import sys
import tarfile
import tempfile
import threading
import types
import unittest
from unittest import mock

import belljar
from belljar import sandbox_api
from belljar.sandbox_api import ASandbox, Sandbox, SandboxErrCode, SandboxError
from belljar.sandbox_api.utils import validate
from stand_in import Reply, StandIn

OUTCOME = {
    "status": 0,
    "execution": [{"command": "echo 2", "exit_code": 0, "stdout": "2", "stderr": "", "time": 0.014006376266479492}],
    "total_time": 0.01536250114440918,
}
ID = "39a843f6-0f46-4f90-b2af-b7724106f954"


def serve(request):
    """A server with one environment and one file in it."""
    paths = {
        "/specifications/": b'{"host": {}}',
        "/libraries/": b'{"python": []}',
        "/usages/": b'{"container": 1}',
        f"/environments/{ID}/": b"archive",
        f"/files/{ID}/dir/a%20b%3F%23%C3%A9.txt/": b"contents",
        f"/files/{ID}/empty/": b"",
    }
    path = request.target
    if path in ("/execute/", "/loader/fr/", "/loader/demo/pl/", "/loader/play/pl/", "/exec/"):
        return Reply(body=json.dumps(OUTCOME).encode())
    return Reply(body=paths[path]) if path in paths else Reply(404, b"The environment could not be found")


class Both(unittest.TestCase):
    """Both clients in one way: a call is made with each."""

    def ask(self, address, act, **settings):
        """What each gives for a call, or raises."""
        found = []
        try:
            found.append(act(Sandbox(address)))
        except Exception as error:
            found.append(error)

        async def asynchronously():
            async with ASandbox(address) as sandbox:
                return await act(sandbox)

        try:
            found.append(asyncio.run(asynchronously()))
        except Exception as error:
            found.append(error)
        return found

    def test_what_is_sent_and_what_comes_back(self):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz"):
            pass
        with StandIn(serve) as server, tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "work.tgz")
            path.write_bytes(archive.getvalue())
            for act, expected, line in [
                (lambda s: s.libraries(), {"python": []}, "GET /libraries/"),
                (lambda s: s.specifications(), {"host": {}}, "GET /specifications/"),
                (lambda s: s.usage(), {"container": 1}, "GET /usages/"),
                (lambda s: s.check(ID), 7, f"HEAD /environments/{ID}/"),
                (lambda s: s.check(ID, "dir/a b?#é.txt"), 8, f"HEAD /files/{ID}/dir/a%20b%3F%23%C3%A9.txt/"),
                (lambda s: s.check("unknown"), 0, "HEAD /environments/unknown/"),
                (lambda s: s.execute({"commands": ["echo 2"]}), OUTCOME, "POST /execute/"),
                (lambda s: s.execute({"commands": ["x"]}, path.open("rb")), OUTCOME, "POST /execute/"),
                (lambda s: s.execute({"commands": ["x"]}, io.BytesIO(archive.getvalue())), OUTCOME, "POST /execute/"),
            ]:
                # With and without a slash at the end.
                for address in (server.address, server.address + "/"):
                    with self.subTest(line):
                        server.received.clear()
                        self.assertEqual(self.ask(address, act), [expected] * 2)
                        self.assertEqual(server.lines(), [line] * 2)
            for received, name in zip(server.received, ["environment"] * 2):
                self.assertEqual(
                    received.parts(),
                    {"config": (None, b'{"commands": ["x"]}'), "environment": (name, archive.getvalue())},
                )
            server.received.clear()
            self.ask(server.address, lambda s: s.execute({"commands": ["x"]}, path.open("rb")))
            self.assertEqual([one.parts()["environment"][0] for one in server.received], ["work.tgz"] * 2)
            server.received.clear()
            self.ask(server.address + "/base", lambda s: s.execute({"commands": ["true"]}))
            for received in server.received:
                self.assertEqual(received.line, "POST /base/execute/")
                self.assertEqual(received.headers["content-type"], "application/x-www-form-urlencoded")
                self.assertEqual(received.body, b"config=%7B%22commands%22%3A+%5B%22true%22%5D%7D")

    def test_downloads_are_streams_in_memory(self):
        with StandIn(serve) as server:
            for act, expected in [
                (lambda s: s.download(ID), b"archive"),
                (lambda s: s.download(ID, "dir/a b?#é.txt"), b"contents"),
                (lambda s: s.download(ID, path="empty"), b""),
            ]:
                for found in self.ask(server.address, act):
                    self.assertIsInstance(found, io.BytesIO)
                    self.assertEqual(found.read(), expected)
            for error in self.ask(server.address, lambda s: s.download("unknown")):
                self.assertIs(type(error), sandbox_api.Sandbox404)
                self.assertEqual(str(error), "Sandbox responded with status 404")
            # The original asks for /files/x/ of another environment instead.
            server.received.clear()
            for error in self.ask(server.address, lambda s: s.check(ID, "../x")):
                self.assertIsInstance(error, ValueError)
            self.assertEqual(server.received, [])

    def test_a_size_is_a_number_and_what_the_original_returns(self):
        with StandIn(serve) as server:
            for found in self.ask(server.address, lambda s: s.check(ID)):
                self.assertTrue(found == 7 and found == "7" and found != 8 and found != "8" and found > 3)
                self.assertIsInstance(found, int)
            for found in self.ask(server.address, lambda s: s.check(ID, "empty")):
                # It is there.
                self.assertTrue(found)
                self.assertEqual(int(found), 0)
            for found in self.ask(server.address, lambda s: s.check("unknown")):
                self.assertFalse(found)

    def test_every_status_but_200_raises(self):
        # 84 and 85; and those that the original fails over with a KeyError.
        for status in (201, 204, 302, 306, 400, 418, 425, 429, 499, 500, 503, 520):
            with StandIn(lambda request: Reply(status, b"why" if status != 204 else b"")) as server:
                acts = [lambda s: s.usage(), lambda s: s.execute({}), lambda s: s.check(ID), lambda s: s.download(ID)]
                for act in acts:
                    one, other = self.ask(server.address, act)
                    kind = getattr(sandbox_api, f"Sandbox{status}", SandboxError)
                    self.assertEqual([type(one), type(other)], [kind, kind], status)
                    self.assertEqual(one.response.status_code, status)
                    self.assertEqual(other.response.status, status)
                    self.assertEqual(str(one), f"Sandbox responded with status {status}")
                self.assertEqual(len(server.received), 8, "nothing is sent again")
        with StandIn(lambda request: Reply(400, b'{"a": 1}', {"X-One": "1"})) as server:
            one, other = self.ask(server.address, lambda s: s.usage())
            self.assertEqual((one.response.text, one.response.content), ('{"a": 1}', b'{"a": 1}'))
            self.assertEqual((one.response.json(), one.response.reason, one.response.ok), ({"a": 1}, "Bad Request", False))
            self.assertEqual((one.response.headers["x-one"], one.response.url), ("1", server.address + "/usages/"))
            self.assertEqual(asyncio.run(other.response.text()), '{"a": 1}')
            self.assertEqual(asyncio.run(other.response.json()), {"a": 1})
            again = pickle.loads(pickle.dumps(one))
            self.assertEqual((type(again), again.response.status_code), (sandbox_api.Sandbox400, 400))

    def test_reading_follows_redirects_and_nothing_else_does(self):
        def redirect(request):
            if request.target.startswith("/old/"):
                return Reply(301, b"", {"location": request.target.replace("/old/", "/")})
            return serve(request)

        with StandIn(redirect) as server:
            address = server.address + "/old"
            self.assertEqual(self.ask(address, lambda s: s.usage()), [{"container": 1}] * 2)
            for act in (lambda s: s.check(ID), lambda s: s.execute({"commands": ["x"]})):
                for error in self.ask(address, act):
                    self.assertIs(type(error), sandbox_api.Sandbox301)
        with StandIn(lambda request: Reply(302, b"", {"location": request.target})) as server:
            for error in self.ask(server.address, lambda s: s.usage()):
                self.assertIs(type(error), sandbox_api.Sandbox302)

    def test_no_server(self):
        with StandIn(serve) as server:
            address = server.address
        for error in self.ask(address, lambda s: s.usage()):
            self.assertIsInstance(error, ConnectionError)
            self.assertIsInstance(error, belljar.TransportError)
        for error in self.ask("no address", lambda s: s.usage()):
            self.assertIsInstance(error, ValueError)

    def test_what_a_program_catches_is_raised(self):
        # Stand-ins for the libraries: only that a program has them counts.
        class RequestException(IOError):
            def __init__(self, *arguments, **more):
                self.response = more.pop("response", None)
                super().__init__(*arguments)

        class RequestsConnectionError(RequestException):
            pass

        class ReadTimeout(RequestException):
            pass

        class ClientConnectionError(Exception):
            pass

        requests = types.SimpleNamespace(ConnectionError=RequestsConnectionError, ReadTimeout=ReadTimeout)
        aiohttp = types.SimpleNamespace(ClientConnectionError=ClientConnectionError)
        with StandIn(serve) as server:
            address = server.address
        with mock.patch.dict(sys.modules, {"requests.exceptions": requests, "aiohttp": aiohttp}):
            one, other = self.ask(address, lambda s: s.usage())
            self.assertIsInstance(one, RequestsConnectionError)
            self.assertIsInstance(one, belljar.TransportError)
            self.assertIsNone(one.response)
            self.assertIn("no connection", str(one))
            self.assertIsInstance(other, ClientConnectionError)
            held = threading.Event()
            with StandIn(lambda request: held.wait(60) and Reply()) as server:
                with self.assertRaises(ReadTimeout):
                    Sandbox(server.address, timeout=0.2).usage()
                held.set()

    def test_times(self):
        held = threading.Event()
        with StandIn(lambda request: held.wait(60) and Reply()) as server:
            for timeout in (0.2, (10, 0.2)):
                with self.assertRaises(TimeoutError):
                    Sandbox(server.address, timeout).usage()

            async def asynchronously(**times):
                async with ASandbox(server.address, **times) as sandbox:
                    await sandbox.usage()

            for times in ({"total": 0.2}, {"total": None, "sock_read": 0.2}):
                with self.assertRaises(asyncio.TimeoutError):
                    asyncio.run(asynchronously(**times))
            held.set()

    def test_the_asynchronous_client_alone(self):
        # 80: with and without a context manager. It needs no running loop.
        with StandIn(serve) as server:
            sandbox = ASandbox(server.address)

            async def ask():
                found = [
                    await sandbox.load({"a": 1}),
                    await sandbox.demo({"a": 1}),
                    await sandbox.playexo({"c": 2}, {"a": 1}),
                    await sandbox.exec({"b": "text"}),
                ]
                await sandbox.close()
                with self.assertRaisesRegex(RuntimeError, "closed"):
                    await sandbox.usage()
                return found

            self.assertEqual(asyncio.run(ask()), [OUTCOME] * 4)
            self.assertEqual(
                [(one.target, one.body) for one in server.received],
                [
                    ("/loader/fr/", b"data=%7B%22a%22%3A+1%7D"),
                    ("/loader/demo/pl/", b"data=%7B%22a%22%3A+1%7D&demo=true"),
                    ("/loader/play/pl/", b"data=%7B%22a%22%3A+1%7D&config=%7B%22c%22%3A+2%7D"),
                    ("/exec/", b"data=%7B%22b%22%3A+%22text%22%7D&b=text"),
                ],
            )

    def test_an_archive_that_was_read_is_no_empty_one(self):
        with StandIn(serve) as server:
            read = io.BytesIO(b"x")
            for act in (lambda s: s.execute({"commands": ["x"]}, read),):
                read.read()
                with self.assertRaisesRegex(ValueError, "seek"):
                    act(Sandbox(server.address))
            self.assertEqual(server.received, [])


class Names(unittest.TestCase):
    """What can be imported."""

    def test_every_standard_status_has_a_class(self):
        # 84, which fails with the original from Python 3.9 on.
        for status in (int(status) for status in http.HTTPStatus if status >= 300):
            self.assertTrue(issubclass(getattr(sandbox_api, f"Sandbox{status}"), SandboxError))

    def test_responses_of_both_libraries(self):
        # 85.
        for response in (types.SimpleNamespace(status_code=404), types.SimpleNamespace(status=404)):
            error = sandbox_api.status_exceptions(response)
            self.assertIsInstance(error, sandbox_api.Sandbox404)
            self.assertIs(error.response, response)
            self.assertIsNone(error.message)
            self.assertIsInstance(error, belljar.Error)
        self.assertEqual(SandboxError(types.SimpleNamespace(status=404), "why").message, "why")

    def test_modules_and_numbers(self):
        from belljar.sandbox_api import asandbox, enums, exceptions, sandbox, utils

        self.assertIs(enums.SandboxErrCode, SandboxErrCode)
        self.assertIs(sandbox.Sandbox, Sandbox)
        self.assertIs(asandbox.ASandbox, ASandbox)
        self.assertIs(exceptions.Sandbox404, sandbox_api.Sandbox404)
        self.assertEqual(utils.ENDPOINTS["usages"], "usages/")
        self.assertEqual(
            {code.name: code.value for code in SandboxErrCode},
            {"UNKNOWN": -1, "TIMEOUT": -2, "RESULT_NOT_FOUND": -3, "RESULT_NOT_UTF8": -4},
        )
        self.assertEqual(sandbox_api.__version__, "1.1.0")


class Validating(unittest.TestCase):
    """Whether a configuration has the right form."""

    def test_what_can_be_executed(self):
        # 86.
        commands = ["true", {"command": "true"}, {"command": "true", "timeout": 1}, {"command": "x", "timeout": 0.5}]
        for config in (
            {"commands": commands},
            {"commands": commands, "environ": {}},
            {"commands": commands, "environ": {"A": "b"}, "save": True, "result_path": "x", "unknown": 1},
        ):
            self.assertEqual(validate(config), (True, ""))

    def test_what_cannot(self):
        # 87.
        for config, words in [
            ({}, "Missing field 'commands' in config"),
            ({"commands": "true"}, "commands must be a list, not <class 'str'>"),
            ({"commands": []}, "commands list is empty"),
            ({"commands": [1]}, "Command badly formatted : '1'"),
            ({"commands": [{}]}, "Command badly formatted : '{}'"),
            ({"commands": [{"command": 1}]}, "Command badly formatted : '{'command': 1}'"),
            ({"commands": [{"command": "x", "timeout": "1"}]}, "Command badly formatted : '{'command': 'x', 'timeout': '1'}'"),
            ({"commands": ["x"], "environ": 1}, "environ must be a dict, not <class 'int'>"),
            ({"commands": ["x"], "save": 1}, "save must be a boolean, not <class 'int'>"),
            ({"commands": ["x"], "result_path": 1}, "result_path must be a string, not <class 'int'>"),
            ({"environ": 1, "save": 1, "result_path": 1}, "result_path must be a string, not <class 'int'>"),
        ]:
            self.assertEqual(validate(config), (False, words))
