"""No member of a request is passed over in silence: the code reads it, or tests/golden/api/passed_over.txt says why not."""

import fnmatch
import re

import request_code

TABLE = request_code.ROOT / "tests" / "golden" / "api" / "passed_over.txt"


def explained():
    """{pattern: reason}"""
    lines = TABLE.read_text(encoding="ascii").splitlines()
    rows = [re.fullmatch(r"(\S+ \S+): (.+)", line) for line in lines if line and not line.startswith("#")]
    assert all(rows), lines
    return {row[1]: row[2] for row in rows}


def test_every_member_is_read_or_explained():
    found, known = request_code.passed_over(), explained()
    unknown = [name for name in found if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known)]
    assert not unknown, "neither read nor in passed_over.txt:\n" + "\n".join(unknown)
    idle = [pattern for pattern in known if not any(fnmatch.fnmatchcase(name, pattern) for name in found)]
    assert not idle, "read now, take it out of passed_over.txt:\n" + "\n".join(idle)


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
