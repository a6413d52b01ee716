"""Scenes: what a client does in turn, as data, done by boto3 and by the AWS CLI alike.

A scene is a list of steps. `call(action, params, name=path…)` notes under a name what lies at a path (JMESPath) of the answer,
and later steps write it as "$name". Written once in botocore's words, a step is the CLI's words as well: words() says them."""

import base64
import contextlib
import copy
import datetime
import json
import os
import re
import subprocess
import tempfile

import jmespath
from botocore import xform_name

from cloud import DEBIAN_AWS, ROOT, run, wait_until
import shape

DRIVER = ROOT / "tests" / "integration" / "clients" / "driver.py"
DEBIAN_PYTHON = "/usr/bin/python3"
PATIENCE_S = 300
AGREE_S = 15
READS = ("Describe", "Get", "List")
PLAIN = re.compile(r"[A-Za-z0-9_.:/@*+-]+")  # needs no quotes in the CLI's shorthand
# What the CLI calls otherwise than the model does: its customizations/argrename.py.
RENAMED = {"--no-egress": "--ingress", "--no-no-reboot": "--reboot", "--no-disable-api-termination": "--enable-api-termination"}


class Step:
    """do: call or wait (action is a waiter's name then). see: {path: value} that must be so; until: the same, asked again until it
    is; fails: the error's code; page: the results also in pages of that size; query: the CLI is asked for that alone, too;
    cli: the words of the CLI, where it has words of its own for this."""

    def __init__(self, service, do, action, params, **options):
        self.service, self.do, self.action, self.params = service, do, action, params
        take = options.pop
        self.see, self.until, self.fails = take("see", {}), take("until", {}), take("fails", None)
        self.page, self.query, self.cli = take("page", None), take("query", None), take("cli", None)
        self.save = options

    def filled(self, names):
        """With what was noted under its names."""
        it = copy.copy(self)
        it.params, it.see, it.until, it.cli = (fill(v, names) for v in (self.params, self.see, self.until, self.cli))
        return it

    def read(self):
        return self.do == "call" and self.action.startswith(READS) and not self.fails

    def __str__(self):
        return f"{self.action} {json.dumps(self.params)}"


def service(name):
    """call() and wait() for a service."""
    def make(do):
        return lambda action, params=None, **options: Step(name, do, action, params or {}, **options)
    return make("call"), make("wait")


class Missing(Exception):
    """A name that was not noted, since the client did not know the operation."""


def fill(value, names):
    if isinstance(value, dict):
        return {fill(k, names): fill(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, names) for v in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    whole = re.fullmatch(r"\$(\w+)", value)
    for name in re.findall(r"\$(\w+)", value):
        if name not in names:
            raise Missing(name)
    return names[whole.group(1)] if whole else re.sub(r"\$(\w+)", lambda m: str(names[m.group(1)]), value)


# --- the AWS CLI's words


class Quoting(Exception):
    """There is no shorthand for this."""


def short(value, nested=False):
    """The CLI's shorthand syntax."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        text = ",".join(f"{k}={short_member(v)}" for k, v in value.items())
        return "{" + text + "}" if nested else text
    text = str(value)
    if not PLAIN.fullmatch(text):
        raise Quoting(text)
    return text


def short_member(value):
    if not isinstance(value, list):
        return short(value, True)
    if value and all(not isinstance(v, (dict, list)) for v in value):
        return ",".join(short(v) for v in value)  # as Name=x,Values=a,b
    return "[" + ",".join(short(v, True) for v in value) + "]"


FILES = tempfile.TemporaryDirectory(prefix="clients")  # of bytes, which the versions of the CLI take otherwise in different forms


def file_of(value):
    handle, path = tempfile.mkstemp(dir=FILES.name)
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64decode(value.removeprefix("base64:")))
    return path


def option(member, value):
    name = "--" + xform_name(member, "-")
    if isinstance(value, str) and value.startswith("base64:"):
        return [name, f"fileb://{file_of(value)}"]
    if isinstance(value, bool):
        flag = name if value else "--no-" + name[2:]
        return [RENAMED.get(flag, flag)]
    if not isinstance(value, (dict, list)):
        return [name, str(value)]
    items = value if isinstance(value, list) else [value]
    if all(not isinstance(v, (dict, list)) for v in items):
        return [name, *(str(v) for v in items)]
    try:
        return [name, *(short(v) for v in items)]
    except Quoting:
        return [name, json.dumps(value)]


def words(step):
    """`aws …` without the program's name."""
    if step.do == "wait":
        return [step.service, "wait", step.action.replace("_", "-"), *sum((option(k, v) for k, v in step.params.items()), [])]
    action = [step.service, xform_name(step.action, "-")]
    if step.cli:
        return action + list(step.cli)
    return action + sum((option(k, v) for k, v in step.params.items()), [])


# --- who does it


EACH_TIME = ("BlockToken", "FirstBlockToken", "SecondBlockToken", "ExpiryTime")  # another one in each answer


def same(value):
    """With times as times: each client writes them in its own way, some as seconds."""
    if isinstance(value, dict):
        return {k: k in EACH_TIME or same(v) for k, v in value.items()}
    if isinstance(value, list):
        return [same(v) for v in value]
    if isinstance(value, str) and shape.TIME.fullmatch(value):
        return round(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp(), 3)
    return round(value, 3) if isinstance(value, float) else value


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Unknown(Exception):
    """The client is older than the operation."""


class Boto3:
    """The newest boto3 of the machine unless another interpreter is given."""

    name = "boto3"

    def __init__(self, cloud, endpoint, region, python=None):
        self.endpoint, self.region = endpoint, region
        newer = shape.newer_python()
        self.process = subprocess.Popen([python or (newer and newer[0]) or DEBIAN_PYTHON, DRIVER], env=cloud.environment(), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = json.loads(self.process.stdout.readline())["botocore"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, do, step):
        request = {"service": step.service, "region": self.region, "endpoint": self.endpoint, "do": do, "action": step.action,
                   "params": step.params, "page": step.page}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        if "error" in said:
            raise Refused(said["error"], said["message"])
        if "unknown" in said:
            raise Unknown(step.action)
        return said.get("answer", {})

    def perform(self, step):
        return self.ask(step.do, step)

    def check(self, step, answer):
        """The same in pages; asked anew where something has changed between the two."""
        if not step.page:
            return
        pages = None

        def agree():
            nonlocal pages, answer
            if pages is not None:
                answer = self.perform(step)
            pages = self.ask("pages", step)
            return same(pages) == same({k: v for k, v in answer.items() if k in pages})
        with contextlib.suppress(AssertionError):
            wait_until("pages are the same", agree, AGREE_S)
        assert agree(), (str(step), pages, answer)
        assert any(pages.values()), str(step)


class Cli:
    """A boto3 beside it says what a read must have answered."""

    name = "cli"

    def __init__(self, cloud, endpoint, region, program):
        self.endpoint, self.region, self.program = endpoint, region, program
        self.environment = cloud.environment(AWS_DEFAULT_REGION=region)
        self.version = run(program, "--version").stdout.strip()
        self.beside = Boto3(cloud, cloud.endpoint, region, DEBIAN_PYTHON if program == DEBIAN_AWS else None)

    def close(self):
        self.beside.close()

    def run(self, *arguments):
        done = run(self.program, "--endpoint-url", self.endpoint, "--output", "json", *arguments, env=self.environment, check=False)
        refused = re.search(r"An error occurred \((\S+)\) when calling the \w+ operation[^:]*: (.*)", done.stderr)
        if refused:
            raise Refused(*refused.groups())
        if "argument operation: Invalid choice" in done.stderr or "Found invalid choice" in done.stderr:
            raise Unknown(arguments[1])
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def perform(self, step):
        return self.run(*words(step))

    def check(self, step, answer):
        if not step.read():
            return
        theirs = {k: v for k, v in self.beside.ask("call", step).items() if not str(v).startswith("stream:")}
        assert same(answer) == same({k: v for k, v in theirs.items() if k in answer or v}), (str(step), answer, theirs)
        if step.query:
            assert same(self.run(*words(step), "--query", step.query)) == same(jmespath.search(step.query, theirs)), str(step)
        if step.page:
            assert same(self.run(*words(step), "--page-size", str(step.page))) == same(answer), str(step)


def seen(answer, wanted):
    return all(jmespath.search(path, answer) == value for path, value in wanted.items())


def attempt(actor, step, names):
    if step.fails:
        try:
            answer = actor.perform(step)
        except Refused as e:
            assert e.code == step.fails, (str(step), e)
            return
        raise AssertionError(f"{step} was not refused but answered {answer}")
    answer = actor.perform(step)
    if not seen(answer, step.until):
        answer = wait_until(f"{step} shows {step.until}", lambda: (now := actor.perform(step)) and seen(now, step.until) and now, PATIENCE_S)
    for path, value in step.see.items():
        assert jmespath.search(path, answer) == value, (str(step), path, value, answer)
    actor.check(step, answer)
    for name, path in step.save.items():
        names[name] = jmespath.search(fill(path, names), answer)
        assert names[name] is not None, (str(step), path, answer)


def play(actor, scene, names):
    """Do the steps; the actions that the client does not know."""
    unknown = set()
    for step in scene:
        try:
            step = step.filled(names)
            attempt(actor, step, names)
        except Unknown:
            unknown.add(step.action)
        except Missing:
            assert unknown, str(step)
            unknown.add(step.action)
        except Refused as e:
            raise AssertionError(f"{actor.name}: {step}: {e}") from None
    return unknown
