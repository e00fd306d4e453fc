"""Runs all tests, or those whose names are given; says what became of them as Rust's test programs do, so that one line sums up all."""

import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).parent
PREFIX = "python::"


def name_of(test):
    """A test's name, as ours are written."""
    return PREFIX + test.id().replace(".", "::")


class Told(unittest.TestResult):
    """Says one line for each test, and at the end why some failed."""

    passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.wrong = False

    def told(self, test, what):
        print(f"test {name_of(test)} ... {what}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.told(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.told(test, f"ignored, {reason}")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.told(test, "FAILED")

    def addError(self, test, error):
        super().addError(test, error)
        self.told(test, "FAILED")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None and not self.wrong:
            self.wrong = True
            self.told(test, "FAILED")


def wanted(suite, names):
    """The tests of these names, in one list."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from wanted(test, names)
        elif not names or any(name in name_of(test) for name in names):
            yield test


def main():
    sys.path.insert(0, str(HERE))
    tests = list(wanted(unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE)), sys.argv[1:]))
    print(f"running {len(tests)} tests", flush=True)
    told, began = Told(), time.monotonic()
    unittest.TestSuite(tests).run(told)
    wrong = told.failures + told.errors
    for test, trace in wrong:
        print(f"\n---- {name_of(test)} ----\n{trace}")
    failed = len({test.id().split(" ")[0] for test, _ in wrong})
    result = "FAILED" if failed else "ok"
    print(
        f"\ntest result: {result}. {told.passed} passed; {failed} failed; {len(told.skipped)} ignored; "
        f"finished in {time.monotonic() - began:.2f}s"
    )
    sys.exit(1 if failed else 0)


main()
