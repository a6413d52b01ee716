"""What the API daemon's code reads of requests, found in its text: which members of an operation's request none of the functions
that its handler leads to names. The other way round it can err: a name that is read of something else counts as read."""

import json
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "api" / "model"
sys.path.insert(0, str(MODEL))
import generate  # noqa: E402  (the path above)

GENERIC = {"DryRun", "ClientToken"}  # the engine's, for all
STRING = r'"(?:\\.|[^"\\])*"'
TOKEN = re.compile(STRING + r"|[()]")
COMMENT = re.compile(STRING + r"|/\*.*?\*/", re.S)
# A function or a table at the left margin, or the end of a structure that is a table's type.
HEAD = re.compile(r"^(?:(?![#}])[A-Za-z_][^;{}#]*?\b(?:(?P<function>\w+)\([^;{}]*\)\s*\n\{|(?P<table>\w+)(?:\[[^\]]*\])*\s*=\s*)"
                  r"|\} (?P<tail>\w+)(?:\[[^\]]*\])*\s*=\s*\{)", re.M)
WRITERS = r"(?:json_pack|json_object_set_new|json_object_set|json_object_del|action_refuse|action_invalid|action_fail|mc_strf|mc_log)"
WRITE = re.compile(rf"\b{WRITERS}\(")
READ = re.compile(rf"\b(?!{WRITERS}\b)[a-z]\w*\((?:[^()\"]|{STRING}|\([^()]*\))*\)")
ROW = re.compile(r'\{ \.service = "(\w+)",\s*\.name = "(\w+)",\s*\.fn = (\w+)([^}]*)\}|\{ "(\w+)", "(\w+)", (\w+),([^}]*)\}')


def data():
    """The directory of the model that the daemon is built of: the Makefile's."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return os.environ.get("BOTOCORE_DATA") or re.search(r"^BOTOCORE_DATA \?= (.*)$", text, re.M)[1]


def call_end(text, at):
    """Behind the bracket that closes the one before `at`."""
    depth = 1
    for token in TOKEN.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)


def reads(body):
    """The body without the names that it answers with or only says."""
    kept, at = [], 0
    for m in WRITE.finditer(body):
        if m.start() >= at:
            end = call_end(body, m.end())
            kept += [body[at:m.start()], *READ.findall(body[m.end():end])]
            at = end
    return " ".join([*kept, body[at:]])


class Code:
    def __init__(self):
        self.static, self.shared, self.actions = {}, {}, {}
        for path in sorted([*(ROOT / "api").rglob("*.c"), *(ROOT / "common").glob("*.c")]):
            self.read(path, COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else " ", path.read_text(encoding="utf-8")))

    def read(self, path, text):
        for head in HEAD.finditer(text):
            if head["table"] and "struct filter " in head[0]:
                continue
            close = "\n}" if head["function"] else "};" if head["tail"] or text[head.end():head.end() + 1] == "{" else ";\n"
            place = self.static.setdefault(path, {}) if head["tail"] or head[0].startswith("static") else self.shared
            body = text[head.end():text.find(close, head.end())]
            leads_to = set(re.findall(r"\b[a-z_]\w*\b", re.sub(STRING, "", body)))
            words = {word for text in re.findall(STRING, reads(body)) if " " not in text for word in re.findall(r"\w+", text)}
            place[head["function"] or head["table"] or head["tail"]] = path, words, leads_to
        for row in ROW.finditer(text):
            service, name, function, rest = [x for x in row.groups() if x is not None]
            self.actions[service, name] = path, [function, *re.findall(r"\b[a-z]\w+\b", rest)]

    def names(self, path, functions):
        """All the names of members in what these functions of the file lead to."""
        todo, seen, found = [(path, f) for f in functions], set(), set()
        while todo:
            path, name = todo.pop()
            entry = self.static.get(path, {}).get(name) or self.shared.get(name)
            if entry and (entry[0], name) not in seen:
                seen.add((entry[0], name))
                found |= entry[1]
                todo += [(entry[0], other) for other in entry[2]]
        return found


def members(shapes, shape, prefix="", above=()):
    """(path, name) of a request's members and theirs."""
    it = shapes[shape]
    if shape in above:
        return
    for name, ref in it.get("members", {}).items() if it["type"] == "structure" else ():
        yield prefix + name, name
        yield from members(shapes, ref["shape"], f"{prefix}{name}.", (*above, shape))
    if it["type"] == "list":
        yield from members(shapes, it["member"]["shape"], prefix, (*above, shape))


def models(directory):
    """{service: model}: botocore's with what the overlay adds."""
    overlay = json.loads((MODEL / "overlay.json").read_text(encoding="utf-8"))
    for service, place in generate.SERVICES:
        model = generate.load(os.path.join(directory, place, "service-2.json"))
        generate.apply_overlay(model, overlay.get(service, {}))
        yield service, model


def unknown(newest):
    """The same of members that the newest model, of newest(service), has beyond ours."""
    code, found = Code(), []
    for service, model in models(data()):
        other = newest(service)
        for _, name in sorted(row for row in code.actions if row[0] == service and row[1] in other["operations"]):
            ours, theirs = ([path for path, _ in members(m["shapes"], m["operations"][name]["input"]["shape"])]
                            if "input" in m["operations"][name] else [] for m in (model, other))
            new = []
            for path in theirs:
                if path not in ours and not any(path.startswith(f"{n}.") for n in new):
                    new.append(path)
            found += [f"{service}.{name} {path}" for path in new]
    return found


def passed_over():
    """["service.Operation Path.Of.Member"] that no code reads; of a member's own ones where it is read itself."""
    code, found = Code(), []
    for service, model in models(data()):
        for (of, name), (path, functions) in sorted(code.actions.items()):
            given = model["operations"].get(name, {}).get("input") if of == service else None
            known = code.names(path, functions) | GENERIC
            skipped = []
            for member, last in members(model["shapes"], given["shape"]) if given else ():
                if last not in known and not any(member.startswith(f"{s}.") for s in skipped):
                    skipped.append(member)
            found += [f"{service}.{name} {member}" for member in skipped]
    return found
