"""The interface of InQuest's sandboxapi 1.x. Numbers are those of the list of behaviours that its own tests check."""

import io
import json
import unittest

from belljar import sandboxapi
from belljar.sandboxapi import SandboxError, cuckoo, falcon, fireeye, joe, opswat, triage, vmray, wildfire
from stand_in import Reply, StandIn

KEY = "k3y-that-nobody-may-see"
XML = {"content-type": "application/xml"}


def answers(table, otherwise=404):
    """Answers by `METHOD /path`; what is asked for and not there is a 404."""

    def answer(received):
        found = table.get(received.line, table.get(received.line.split("?")[0]))
        if callable(found):
            found = found(received)
        if found is None:
            return Reply(otherwise, b'{"message": "not here"}')
        if isinstance(found, Reply):
            return found
        if isinstance(found, bytes):
            return Reply(200, found)
        return Reply(200, json.dumps(found).encode())

    return answer


def handle(content=b"MZ\x00"):
    return io.BytesIO(content)


def clients(address):
    """One of each, and the calls that each has."""
    return [
        cuckoo.CuckooAPI(address),
        falcon.FalconAPI(KEY, address),
        fireeye.FireEyeAPI("user", KEY, address),
        joe.JoeAPI(KEY, address, True),
        vmray.VMRayAPI(KEY, address),
        wildfire.WildFireAPI(KEY, address),
        opswat.MetaDefenderSandboxAPI(KEY, address),
        opswat.OpswatAPI(KEY, url=address),
        triage.TriageAPI(KEY, address),
    ]


class EveryVendor(unittest.TestCase):
    def test_nobody_is_available_without_a_server(self):
        """7, 17, 26, 37, 46: and it is no exception."""
        with StandIn(answers({})) as server:
            gone = server.address
        for client in clients(gone):
            self.assertIs(client.is_available(), False, type(client).__name__)

    def test_nobody_is_available_that_fails(self):
        """8, 18, 27, 38, 47, 54, 59."""
        for status in (404, 500, 503):
            with StandIn(answers({}, status)) as server:
                for client in clients(server.address):
                    self.assertIs(client.is_available(), False, f"{type(client).__name__} {status}")

    def test_a_server_that_fails_is_an_error_without_the_key(self):
        def echo(received):
            return Reply(500 if b"MZ" in received.body else 400, json.dumps({"message": KEY, "error": KEY}).encode())

        with StandIn(echo) as server:
            # Cuckoo has no key.
            for client in clients(server.address)[1:]:
                for call in (lambda: client.analyze(handle(), "a.exe"), lambda: client.report(1)):
                    with self.assertRaises(SandboxError, msg=type(client).__name__) as raised:
                        call()
                    self.assertNotIn(KEY, str(raised.exception))

    def test_an_upload_is_read_from_its_beginning_and_sent_whole(self):
        """And twice, where the same handle is submitted twice."""
        for number in range(9):
            with StandIn(answers({"POST /wsapis/v1.2.0/auth/login": Reply(200, b"{}", {"X-FeApi-Token": "t"})})) as server:
                client = clients(server.address)[number]
                opened = handle(b"MZ" * 10)
                opened.read()
                for _ in range(2):
                    with self.assertRaises(SandboxError):
                        client.analyze(opened, 'a "b".exe')
                bodies = [received.body for received in server.received if b"MZ" in received.body]
                self.assertTrue(bodies and all(b"MZ" * 10 in body for body in bodies), type(client).__name__)

    def test_nonsense_is_an_error(self):
        for body in (b"<html>", b"", b"5", b"[]", b"{}", b"null", b"[" * 100_000):
            replies = answers({"POST /wsapis/v1.2.0/auth/login": Reply(200, b"{}", {"X-FeApi-Token": "t"})})
            with StandIn(lambda received: replies(received) if "login" in received.target else Reply(200, body)) as server:
                for client in clients(server.address):
                    with self.assertRaises(SandboxError, msg=f"{type(client).__name__} {body[:9]!r}"):
                        client.analyze(handle(), "a.exe")

    def test_a_redirect_is_not_followed(self):
        with StandIn(answers({})) as elsewhere:
            moved = Reply(302, b"", {"location": elsewhere.address + "/x"})
            with StandIn(lambda _: moved) as server:
                for client in clients(server.address):
                    with self.assertRaises(SandboxError):
                        client.analyze(handle(), "a.exe")
            self.assertEqual(elsewhere.lines(), [])

    def test_proxies_are_used(self):
        """1, 2, 11, 21, 30, 41, 50: with GET and with POST."""
        with StandIn(answers({})) as proxy:
            proxies = {"http": proxy.address, "https": proxy.address}
            client = cuckoo.CuckooAPI("http://sandbox.test/", proxies=proxies)
            self.assertIs(client.is_available(), False)
            with self.assertRaises(SandboxError):
                client.analyze(handle(), "a.exe")
            wanted = ["GET http://sandbox.test/cuckoo/status", "POST http://sandbox.test/tasks/create/file"]
            self.assertEqual(proxy.lines(), wanted)
        for made in clients("http://127.0.0.1:1"):
            self.assertIsNone(made.proxies)

    def test_what_a_sandbox_does_not_have_is_not_implemented(self):
        base = sandboxapi.SandboxAPI(proxies={"http": "http://p"})
        self.assertEqual((base.api_url, base.server_available, base.verify_ssl), (None, False, True))
        self.assertEqual(base.proxies, {"http": "http://p"})
        for call in (base.analyses, base.is_available, base.queue_size):
            self.assertRaises(NotImplementedError, call)
        for call in (base.check, base.delete, base.report):
            self.assertRaises(NotImplementedError, call, 1)
        self.assertRaises(NotImplementedError, base.analyze, handle(), "a")


class Cuckoo(unittest.TestCase):
    def test_calls(self):
        """3-6, 9, 12, 13."""
        tasks = {"tasks": [{"id": 1, "status": "pending"}, {"id": 2, "status": "running"}]}
        table = {
            "GET /cuckoo/status": {},
            "GET /tasks/list": tasks,
            "POST /tasks/create/file": {"task_id": 1},
            "GET /tasks/view/1": {"task": {"status": "reported"}},
            "GET /tasks/view/2": {"task": {"status": "running"}},
            "GET /tasks/view/3": {"task": {"status": "failed_analysis"}},
            "GET /tasks/view/5": {"task": {"status": "completed"}},
            "GET /tasks/report/8/json": {"info": {"id": 8, "score": 5}},
            "GET /tasks/report/8/html": b"<html>",
            "GET /tasks/delete/1": {},
        }
        with StandIn(answers(table)) as server:
            host, port = server.address.replace("http://", "").split(":")
            for client in (cuckoo.CuckooAPI(server.address), cuckoo.CuckooAPI(host, port, "/")):
                self.assertEqual(client.api_url, server.address + "/")
                self.assertEqual(client.analyze(handle(), "a b.exe"), "1")
                self.assertEqual(server.received[-1].parts(), {"file": ("a b.exe", b"MZ\x00")})
                self.assertEqual(len(client.analyses()), 2)
                self.assertEqual(client.queue_size(), 1)
                self.assertIs(client.check("1"), True)
                self.assertIs(client.check(2), False)
                self.assertIs(client.check(4), False, "404")
                self.assertIs(client.check(5), False, "its report is still to be written")
                self.assertRaises(SandboxError, client.check, 3)
                self.assertEqual(client.report(8)["info"]["id"], 8)
                self.assertEqual(client.report(8, "HTML"), b"<html>")
                self.assertRaises(SandboxError, client.report, 9)
                self.assertIs(client.delete(1), True)
                self.assertIs(client.delete(9), False)
                self.assertIs(client.is_available(), True)

    def test_addresses(self):
        """12, 13."""
        for arguments, address in [
            (("lab",), "http://lab:8090/"),
            (("lab", 9090, "/test/"), "http://lab:9090/test/"),
            (("lab", 9090, "/test"), "http://lab:9090/test/"),
            (("https://lab/x/",), "https://lab/x/"),
        ]:
            self.assertEqual(cuckoo.CuckooAPI(*arguments).api_url, address)

    def test_scores(self):
        """10."""
        score = cuckoo.CuckooAPI("lab").score
        self.assertEqual(score({"info": {"score": 5}}), 5)
        self.assertEqual(score({"malscore": 10, "info": {"score": 5}}), 10)
        self.assertEqual(score({}), 0)
        self.assertRaises(SandboxError, score, None)

    def test_a_login_in_the_address_is_used(self):
        with StandIn(answers({"GET /cuckoo/status": {}})) as server:
            client = cuckoo.CuckooAPI(server.address.replace("//", "//user:p%40ss@") + "/")
            self.assertTrue(client.is_available())
            self.assertEqual(server.received[0].headers["authorization"], "Basic dXNlcjpwQHNz")

    def test_ids_stay_within_their_segment(self):
        with StandIn(answers({})) as server:
            client = cuckoo.CuckooAPI(server.address)
            self.assertIs(client.check("1?x=../y"), False)
            self.assertEqual(len(server.lines()), 1)


class Falcon(unittest.TestCase):
    def test_calls(self):
        """14-16, 19, 21."""
        table = {
            "POST /submit/file": Reply(201, b'{"job_id": 1}'),
            "GET /report/1/state": {"state": "SUCCESS"},
            "GET /report/2/state": {"state": "IN_PROGRESS"},
            "GET /report/3/state": {"state": "ERROR", "error": "no machine"},
            "GET /report/4/state": Reply(429, b"{}"),
            "GET /report/1/summary": {"job_id": "1"},
            "GET /report/1/file/pdf": b"%PDF",
            "GET /report/4/summary": Reply(429, b"{}"),
            "GET /system/heartbeat": {},
            "GET /system/queue-size": b"10",
        }
        with StandIn(answers(table)) as server:
            client = falcon.FalconAPI(KEY, server.address, env=160)
            self.assertEqual(client.analyze(handle(), "a.exe"), "1")
            sent = server.received[-1]
            self.assertEqual(sent.headers["api-key"], KEY)
            self.assertEqual(sent.headers["user-agent"], "Falcon Sandbox")
            self.assertEqual(sent.parts(), {"environment_id": (None, b"160"), "file": ("a.exe", b"MZ\x00")})
            self.assertIs(client.check(1), True)
            self.assertEqual(server.received[-1].line, "GET /report/1/state?environment_id=160")
            self.assertEqual([client.check(2), client.check(4), client.check(9)], [False] * 3)
            with self.assertRaisesRegex(SandboxError, "no machine"):
                client.check(3)
            self.assertEqual(client.report(1), {"job_id": "1"})
            self.assertEqual(client.full_report(1, "pdf"), b"%PDF")
            with self.assertRaisesRegex(SandboxError, "API rate limit exceeded while fetching report"):
                client.report(4)
            self.assertEqual(client.queue_size(), "10")
            self.assertIs(client.is_available(), True)

    def test_a_public_key_sees_the_version(self):
        table = {"GET /system/heartbeat": Reply(403, b"{}"), "GET /system/version": {}}
        with StandIn(answers(table)) as server:
            client = falcon.FalconAPI(KEY, server.address)
            self.assertIs(client.is_available(), True)
            self.assertIs(client.is_available(), True)
            self.assertEqual(len(server.received), 2, "it is remembered")

    def test_scores(self):
        """20."""
        client = falcon.FalconAPI(KEY)
        self.assertEqual(client.api_url, "https://www.reverse.it/api/v2")
        for level, score, expected in [(2, 95, 10), (2, 80, 9), (2, 5, 8), (1, 90, 7), (1, 75, 6), (1, 5, 5)]:
            self.assertEqual(client.score({"threat_level": level, "threat_score": score}), expected)
        for score, expected in [(95, 0), (80, 0), (5, 1)]:
            self.assertEqual(client.score({"threat_level": 0, "threat_score": score}), expected)
        self.assertEqual(client.score({"threat_level": 3, "threat_score": 5}), 0)
        for report in ({}, None, {"threat_level": None, "threat_score": None}):
            self.assertRaises(SandboxError, client.score, report)


class FireEye(unittest.TestCase):
    def server(self, version, expired):
        sessions = []

        def answer(received):
            base = f"/wsapis/{version}"
            if received.target == f"{base}/auth/login":
                sessions.append(f"t{len(sessions)}")
                login = received.headers["authorization"] == "Basic dXNlcjpwYXNz"
                return Reply(200 if login else 401, b"{}", {"X-FeApi-Token": sessions[-1]})
            if received.headers.get("x-feapi-token") == "t0" and expired is not None:
                return expired
            said = {
                f"POST {base}/submissions": {"ID": 1},
                f"GET {base}/submissions/status/1": {"submissionStatus": "Done"},
                f"GET {base}/submissions/status/2": {"submissionStatus": "In Progress"},
                f"GET {base}/submissions/results/1?info_level=extended": {"msg": "concise"},
                f"GET {base}/config": {},
                f"POST {base}/auth/logout": {},
            }.get(received.line)
            return Reply(404) if said is None else Reply(200, json.dumps(said).encode())

        return StandIn(answer)

    def test_calls(self):
        """22-25, 28, 31-33: with both versions, and whatever an expired token looks like."""
        hidden = Reply(200, b'{"fireeyeapis": {"@version": "v1", "httpStatus": 401, "description": "x"}}')
        for legacy, version in [(False, "v1.2.0"), (True, "v1.1.0")]:
            for expired in (None, Reply(401), hidden):
                with self.server(version, expired) as server:
                    client = fireeye.FireEyeAPI("user", "pass", server.address, "win7-sp1", legacy)
                    self.assertEqual(client.analyze(handle(), "a.exe"), 1)
                    options = json.loads(server.received[-1].parts()["options"][1])
                    self.assertEqual((options["profiles"], options["timeout"]), (["win7-sp1"], "500"))
                    self.assertEqual(server.received[-1].parts()["file"], ("a.exe", b"MZ\x00"), "also the second time")
                    self.assertEqual([client.check(1), client.check(2), client.check(9)], [True, False, False])
                    self.assertEqual(client.report(1)["msg"], "concise")
                    self.assertEqual(client.report(1, "html"), "Report Unavailable")
                    self.assertIs(client.is_available(), True)
                    logins = [line for line in server.lines() if line.endswith("login")]
                    self.assertEqual(len(logins), 1 if expired is None else 2)
                    client.logout()
                    self.assertIsNone(client.api_token)

    def test_a_token_that_expires_at_once_is_no_endless_loop(self):
        table = {"POST /wsapis/v1.2.0/auth/login": Reply(200, b"{}", {"X-FeApi-Token": "t"})}
        with StandIn(answers(table, 401)) as server:
            client = fireeye.FireEyeAPI("user", "pass", server.address)
            self.assertRaises(SandboxError, client.report, 1)
            self.assertLess(len(server.received), 9)

    def test_scores(self):
        """29."""
        score = fireeye.FireEyeAPI("u", "p", "http://x").score
        self.assertEqual(score({"alert": [{"severity": "MAJR"}]}), 8)
        for report in ({"alert": [{"severity": "MINR"}]}, {"alert": []}, {}, None):
            self.assertEqual(score(report), 0)


class Joe(unittest.TestCase):
    def test_calls(self):
        """34-36, 39-41."""
        info = {"data": {"status": "finished", "most_relevant_analysis": {"webid": "179"}}}
        report = {"analysis": {"signaturedetections": {"strategy": [{"score": 9}, {"score": 1}]}}}
        kinds = {b"jsonfixed": json.dumps(report).encode(), b"pdf": b"%PDF"}

        def download(received):
            fields = dict(part.split(b"=") for part in received.body.split(b"&"))
            self.assertEqual(fields[b"webid"], b"179", "the id of a submission is not that of an analysis")
            return Reply(200, kinds[fields[b"type"]])

        table = {
            "POST /v2/submission/new": {"data": {"submission_id": "100001"}},
            "POST /v2/submission/info": info,
            "POST /v2/server/online": {"data": {"online": True}},
            "POST /v2/analysis/download": download,
        }
        with StandIn(answers(table)) as server:
            client = joe.JoeAPI(KEY, server.address, True)
            self.assertEqual(client.analyze(handle(), "a.exe"), "100001")
            sent = server.received[-1].parts()
            self.assertEqual(sent["sample"], ("a.exe", b"MZ\x00"))
            self.assertEqual((sent["accept-tac"][1], sent["apikey"][1]), (b"1", KEY.encode()))
            self.assertIs(client.check("100001"), True)
            self.assertIs(client.is_available(), True)
            self.assertEqual(client.score(client.report("100001")), 1)
            self.assertEqual(client.report("100001", "pdf"), b"%PDF")
            self.assertEqual(client.score({}), 0)

    def test_errors_are_told(self):
        said = Reply(403, b'{"errors": [{"code": 4, "message": "invalid API key"}]}')
        with StandIn(lambda _: said) as server:
            client = joe.JoeAPI(KEY, server.address, False)
            with self.assertRaisesRegex(SandboxError, "invalid API key"):
                client.analyze(handle(), "a.exe")
            self.assertIs(client.check(1), False)


class VMRay(unittest.TestCase):
    def test_calls(self):
        """42-45, 48-50."""
        analyses = [{"analysis_id": 5, "analysis_vti_score": 7}, {"analysis_id": 6, "analysis_vti_score": 20}]
        table = {
            "POST /rest/sample/submit": {"data": {"errors": [], "samples": [{"sample_id": 1169850}]}},
            "GET /rest/submission/sample/1": {"data": [{"submission_finished": True}]},
            "GET /rest/submission/sample/2": {"data": [{"submission_finished": False}]},
            "GET /rest/analysis/sample/1": {"data": analyses},
            "GET /rest/analysis/sample/2": {"data": []},
            "GET /rest/analysis/6/archive/logs/summary.json": {"version": 1, "vti": {"vti_score": 20}},
            "GET /rest/system_info": {},
        }
        with StandIn(answers(table)) as server:
            client = vmray.VMRayAPI(KEY, server.address)
            self.assertEqual(client.analyze(handle(), "a.exe"), 1169850)
            self.assertEqual(server.received[-1].headers["authorization"], f"api_key {KEY}")
            self.assertEqual(server.received[-1].parts(), {"sample_file": ("a.exe", b"MZ\x00")})
            self.assertEqual([client.check(1), client.check(2), client.check(3)], [True, False, False])
            report = client.report(1)
            self.assertEqual((report["version"], client.score(report)), (1, 20))
            self.assertEqual(client.report(1, "html"), "Report Unavailable")
            self.assertRaises(SandboxError, client.report, 2)
            self.assertEqual(client.score({}), 0)
            self.assertIs(client.is_available(), True)

    def test_a_quota_is_an_error(self):
        """43."""
        said = {"POST /rest/sample/submit": {"data": {"errors": [{"error_msg": "Quota"}], "samples": []}}}
        with StandIn(answers(said)) as server:
            with self.assertRaisesRegex(SandboxError, "Quota"):
                vmray.VMRayAPI(KEY, server.address).analyze(handle(), "a.exe")


class WildFire(unittest.TestCase):
    def test_calls(self):
        sha256 = "0f" * 32
        said = "<wildfire><get-verdict-info><sha256/><verdict>{}</verdict></get-verdict-info></wildfire>"
        verdicts = {"a": 1, "b": 0, "c": 2, "d": 4, "e": -100, "f": -101, "g": -102, "h": -103, "i": "x", "j": -99}

        def verdict(received):
            name = received.body.decode().rsplit("hash=", 1)[1]
            return Reply(200, said.format(verdicts[name]).encode(), XML)

        report = b"<wildfire><file_info><sha256>0f</sha256></file_info><task_info><report/><report>x</report></task_info></wildfire>"
        upload = f"<wildfire><upload-file-info><sha256>{sha256}</sha256></upload-file-info></wildfire>"
        table = {
            "POST /publicapi/submit/file": upload.encode(),
            "POST /publicapi/get/verdict": verdict,
            "POST /publicapi/get/report": report,
            "GET /publicapi/get/sample": Reply(405),
        }
        with StandIn(answers(table)) as server:
            client = wildfire.WildFireAPI(KEY, server.address)
            self.assertIsNone(client.score())
            self.assertEqual(client.analyze(handle(), "a.exe"), sha256)
            self.assertEqual(server.received[-1].parts()["apikey"], (None, KEY.encode()))
            for name, score in [("a", 8), ("b", 0), ("c", 2), ("d", 5)]:
                self.assertIs(client.check(name), True)
                self.assertEqual(client.score(), score)
            self.assertIs(client.check("e"), False)
            for name in "fghij":
                self.assertRaises(SandboxError, client.check, name)
            wanted = {"wildfire": {"file_info": {"sha256": "0f"}, "task_info": {"report": [None, "x"]}}}
            self.assertEqual(client.report(sha256), wanted)
            self.assertIs(client.is_available(), True)

    def test_errors_are_told_whatever_the_status(self):
        said = b"<error><error-message>'Invalid hash'</error-message></error>"
        with StandIn(lambda _: Reply(200, said, XML)) as server:
            with self.assertRaisesRegex(SandboxError, "Invalid hash"):
                wildfire.WildFireAPI(KEY, server.address).report("x")


class Opswat(unittest.TestCase):
    def test_filescan(self):
        """51-56."""
        wanted = "&".join(f"filter={name}" for name in opswat.FILTERS)
        table = {
            "POST /api/scan/file": {"flow_id": "flow"},
            "GET /api/scan/flow/report": {"allFinished": True},
            "GET /api/scan/going/report": {"allFinished": False},
            "GET /api/scan/odd/report": {},
            f"GET /api/scan/flow/report?{wanted}": {"reports": {"a": {"finalVerdict": {"verdict": "MALICIOUS"}}}},
            "GET /api/users/me": {"accountId": "1"},
        }
        with StandIn(answers(table)) as server:
            client = opswat.MetaDefenderSandboxAPI(KEY, server.address)
            self.assertEqual(client.analyze(handle(), "a.exe", password="p", is_private=True), "flow")
            sent = server.received[-1].parts()
            self.assertEqual((sent["password"][1], sent["is_private"][1]), (b"p", b"true"))
            self.assertEqual(server.received[-1].headers["x-api-key"], KEY)
            self.assertEqual([client.check("flow"), client.check("going"), client.check("none")], [True, False, False])
            self.assertRaises(SandboxError, client.check, "odd")
            self.assertEqual(client.report("flow")["reports"]["a"]["finalVerdict"]["verdict"], "MALICIOUS")
            self.assertEqual(server.lines()[-1], f"GET /api/scan/flow/report?{wanted}", "the filters in their order")
            self.assertIs(client.is_available(), True)
        for level, score in [(1, 100), (0.5, 50), (-1, 0), (0.75, 75), (None, 0)]:
            self.assertEqual(client.score({"reports": {"a": {"finalVerdict": {"threatLevel": level}}}}), score)
        self.assertRaises(SandboxError, opswat.MetaDefenderSandboxAPI, "")

    def test_cloud(self):
        table = {
            "POST /file": {"sha256": "0f"},
            "GET /hash/0f/sandbox": {"scan_in_progress": "id"},
            "GET /sandbox/id": {"scan_results": {}, "analysis": {"infection_score": 90}},
            "GET /sandbox/going": {"scan_in_progress": "going"},
            "GET /status": {},
        }
        with StandIn(answers(table)) as server:
            client = opswat.OpswatAPI(KEY, "windows10", url=server.address)
            self.assertEqual(client.analyze(handle(), "a.exe"), "id")
            self.assertEqual(server.received[0].headers["sandbox"], "windows10")
            self.assertEqual([client.check("id"), client.check("going"), client.check("none")], [True, False, False])
            self.assertEqual(client.score(client.report("id")), 90)
            self.assertIs(client.is_available(), True)


class Triage(unittest.TestCase):
    def test_calls(self):
        """57-62."""
        tasks = {"t-static1": {"score": 3}, "t-behavioral1": {"score": 10}}
        table = {
            "POST /v0/samples": {"id": "t"},
            "GET /v0/samples": {"data": []},
            "GET /v0/samples/t/status": {"status": "reported"},
            "GET /v0/samples/u/status": {"status": "running"},
            "GET /v0/samples/v/status": {"status": "failed"},
            "GET /v0/samples/t/summary": {"tasks": tasks},
            "GET /v0/samples/t/behavioral1/report_triage.json": {"version": "0.2"},
            "GET /v0/samples/t/static1/report_triage.json": Reply(404, b'{"error": "NOT_FOUND", "message": "no"}'),
        }
        with StandIn(answers(table)) as server:
            client = triage.TriageAPI(KEY, server.address)
            self.assertEqual(client.analyze(handle(), "a.exe"), "t")
            sent = server.received[-1]
            self.assertEqual(json.loads(sent.parts()["_json"][1]), {"kind": "file", "interactive": False})
            self.assertEqual(sent.headers["authorization"], f"Bearer {KEY}")
            self.assertEqual([client.check("t"), client.check("u")], [True, False])
            self.assertRaises(SandboxError, client.check, "v")
            self.assertIs(client.is_available(), True)
            self.assertEqual(client.report("t")["tasks"]["t-behavioral1"]["score"], 10)
            self.assertEqual(client.score("t"), 10)
            self.assertEqual(list(client.full_report("t")["tasks"]), ["behavioral1"])
            self.assertRaises(SandboxError, client.report, "t", "pdf")

    def test_errors_are_told(self):
        said = b'{"error": "UNAUTHORIZED", "message": "bad key"}'
        with StandIn(lambda _: Reply(401, said)) as server:
            with self.assertRaisesRegex(SandboxError, "Triage raised an error: UNAUTHORIZED - bad key"):
                triage.TriageAPI(KEY, server.address).report("t")
