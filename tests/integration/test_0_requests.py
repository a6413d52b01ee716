"""No member of a request is passed over in silence: the code reads it, or tests/golden/api/passed_over.txt says why not."""

import fnmatch
import json
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "clients"))

import request_code  # noqa: E402  (the path above)
import shape  # noqa: E402

GOLDEN = request_code.ROOT / "tests" / "golden" / "api"
PASSED_OVER, UNKNOWN = GOLDEN / "passed_over.txt", GOLDEN / "unknown_members.txt"


def explained(table):
    """{pattern: reason}"""
    lines = table.read_text(encoding="ascii").splitlines()
    rows = [re.fullmatch(r"(\S+ \S+): (.+)", line) for line in lines if line and not line.startswith("#")]
    assert all(rows), lines
    return {row[1]: row[2] for row in rows}


def compare(found, table):
    """Each of what was found has its line, and each line has something."""
    known = explained(table)
    new = [name for name in found if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known)]
    assert not new, f"not in {table.name}:\n" + "\n".join(new)
    idle = [pattern for pattern in known if not any(fnmatch.fnmatchcase(name, pattern) for name in found)]
    assert not idle, f"take it out of {table.name}:\n" + "\n".join(idle)


def test_every_member_is_read_or_explained():
    compare(request_code.passed_over(), PASSED_OVER)


def test_what_is_newer_than_the_model():
    """Of the version of botocore that the table is about, where the machine has it."""
    version = re.search(r"^# botocore (\S+)$", UNKNOWN.read_text(encoding="ascii"), re.M)[1]
    newer = shape.newer_python()
    has = newer and json.loads(subprocess.run([newer[0], "-c", "import botocore, json; print(json.dumps(botocore.__version__))"],
                                              capture_output=True, text=True, check=True).stdout)
    if has != version:
        pytest.skip(f"the newest botocore here is {has}, not {version}")
    compare(request_code.unknown(shape.model), UNKNOWN)


def test_what_is_not_read_is_found():
    """The finder itself: a member of a handler's own that no function names, one named by what it calls, one that is only answered."""
    code = request_code.Code.__new__(request_code.Code)
    code.static, code.shared, code.actions = {}, {}, {}
    code.read("x.c", """
static const char *const names[] = { "Table", NULL };

static int helper(struct call *call)
{
	return mc_json_int(call->in, "Called", 0) + list(names);
}

static int handler(struct call *call)
{
	call->out = json_pack("{s:s, s:s}", "Answered", action_text(call, "Inside"));
	return action_refuse(call, "Said", "x") || helper(call);
}

static int another(struct call *call)
{
	return mc_json_int(call->in, "Others", 0);
}

const struct action rows[] = {
	{ .service = "ec2", .name = "Do", .fn = handler },
};
""")
    assert code.actions == {("ec2", "Do"): ("x.c", ["handler"])}
    assert code.names("x.c", ["handler"]) >= {"Called", "Table", "Inside"}
    assert not code.names("x.c", ["handler"]) & {"Answered", "Said", "Others"}
