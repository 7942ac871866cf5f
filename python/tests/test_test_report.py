"""The sum over the suites: tools/test_report.py."""

import json
import subprocess
import sys

import pytest
import test_report
from conftest import ROOT


def write_gtest(directory, name, cases):
    directory.mkdir(exist_ok=True)
    report = {"testsuites": [{"name": "S", "testsuite": cases}]}
    (directory / f"{name}.json").write_text(json.dumps(report))


def gtest_case(name, **fields):
    return {"name": name, "classname": "S", "status": "RUN", "result": "COMPLETED", **fields}


def test_gtest_results(tmp_path):
    write_gtest(tmp_path, "A", [
        gtest_case("Good"),
        gtest_case("Bad", failures=[{"failure": "x"}]),
        gtest_case("Off", status="NOTRUN", result="SUPPRESSED"),
        gtest_case("Skip", result="SKIPPED", skipped=[{"message": "no disk"}]),
    ])
    (tmp_path / "B.json").write_text("")
    suite = test_report.read_gtest(tmp_path)
    assert suite.passed == 1
    assert suite.failed == ["A: S.Bad", "B: ended before it wrote its results"]
    assert suite.skipped == [("A: S.Off", "disabled in its source"), ("A: S.Skip", "no disk")]


@pytest.mark.parametrize("code,counts", [
    ("PASS", (1, 0, 0)), ("XFAIL", (1, 0, 0)), ("FAIL", (0, 1, 0)), ("XPASS", (0, 1, 0)),
    ("UNRESOLVED", (0, 1, 0)), ("TIMEOUT", (0, 1, 0)), ("UNSUPPORTED", (0, 0, 1)), ("EXCLUDED", (0, 0, 0)),
])
def test_lit_codes(tmp_path, code, counts):
    path = tmp_path / "lit.json"
    path.write_text(json.dumps({"tests": [{"name": "T", "code": code, "output": "why"}]}))
    suite = test_report.read_lit(path)
    assert (suite.passed, len(suite.failed), len(suite.skipped)) == counts


def test_pytest_results(tmp_path):
    path = tmp_path / "pytest.xml"
    path.write_text('<testsuites><testsuite><testcase classname="m" name="a"/>'
                    '<testcase classname="m" name="b"><failure message="f"/></testcase>'
                    '<testcase classname="m" name="c"><error message="e"/></testcase>'
                    '<testcase classname="m" name="d"><skipped message="no net"/></testcase>'
                    "</testsuite></testsuites>")
    suite = test_report.read_pytest(path)
    assert (suite.passed, suite.failed, suite.skipped) == (1, ["m.b", "m.c"], [("m.d", "no net")])


def suites(**changes):
    return [test_report.Suite("GoogleTest", passed=2), test_report.Suite("lit", passed=3),
            test_report.Suite("pytest", **{"passed": 4, **changes})]


def test_sum_of_good_suites():
    lines, success = test_report.summarize(suites(), [])
    assert lines[-1] == "9 passed, 0 failed, 0 skipped"
    assert success


def test_failed_test_fails_and_hides_its_own_step():
    lines, success = test_report.summarize(suites(failed=["m.b"]), ["pytest"])
    assert lines[-2:] == ["FAILED pytest: m.b", "9 passed, 1 failed, 0 skipped"]
    assert not success


def test_failed_step_counts_when_no_test_failed():
    lines, success = test_report.summarize(suites(), ["pytest"])
    assert lines[-2:] == ["FAILED step: pytest", "9 passed, 1 failed, 0 skipped"]
    assert not success


def test_empty_suite_fails():
    lines, success = test_report.summarize(suites(passed=0), [])
    assert lines[-2:] == ["FAILED pytest: the suite found no test", "5 passed, 1 failed, 0 skipped"]
    assert not success


@pytest.mark.parametrize("count,success", [(5, True), (6, False)])
def test_at_most_five_skipped(count, success):
    lines, got = test_report.summarize(suites(skipped=[("t", "why")] * count), [])
    assert got == success
    assert lines[-1] == f"9 passed, 0 failed, {count} skipped"
    assert ("FAILED: expected at most 5 skipped tests, got 6" in lines) == (not success)
    assert "SKIPPED pytest: t: why" in lines


def test_command_line(tmp_path):
    write_gtest(tmp_path / "gtest", "A", [gtest_case("Good")])
    (tmp_path / "lit.json").write_text(json.dumps({"tests": [{"name": "T", "code": "PASS"}]}))
    (tmp_path / "pytest.xml").write_text('<testsuites><testcase classname="m" name="a"/></testsuites>')
    command = [sys.executable, str(ROOT / "tools" / "test_report.py"), "sum", str(tmp_path)]
    good = subprocess.run(command, capture_output=True, text=True)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "3 passed, 0 failed, 0 skipped")
    bad = subprocess.run([*command, "--failed-step", "setup"], capture_output=True, text=True)
    assert (bad.returncode, bad.stdout.splitlines()[-1]) == (1, "3 passed, 1 failed, 0 skipped")
