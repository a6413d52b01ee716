"""An answer against botocore's service model: nothing that the model does not know, values of its types, and those
members that AWS always sends."""

import base64
import binascii
import functools
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

DEBIAN_DATA = "/usr/lib/python3/dist-packages/botocore/data"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)")
SCALARS = {"integer": re.compile(r"-?\d+"), "long": re.compile(r"-?\d+"), "boolean": re.compile("true|false"), "timestamp": TIME,
           "float": re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?"), "double": re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")}
JSON_TYPES = {"integer": int, "long": int, "boolean": bool, "float": (int, float), "double": (int, float), "string": str,
              "blob": str, "timestamp": (int, float, str), "structure": dict, "map": dict, "list": list}
# The model's directory by the credential's scope, where they differ.
DIRECTORIES = {"monitoring": "cloudwatch"}
# Where EC2 writes other values than its model says, by its documentation's examples and its clients' comparisons.
WRITTEN = {"State": {"pending", "available", "deleting", "deleted", "failed"}, "AttachmentStatus": {"available"},
           "NetworkInterfaceType": {"nat_gateway"}}


@functools.cache
def newer_python():
    """An interpreter with a newer boto3 than Debian's, or None."""
    python = shutil.which("python3")
    done = python and subprocess.run([python, "-c", "import boto3, botocore; print(botocore.__file__)"], capture_output=True,
                                     text=True, check=False)
    if not done or done.returncode != 0 or done.stdout.startswith("/usr/lib/"):
        return None
    return python, os.path.join(os.path.dirname(done.stdout.strip()), "data")


def load(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        return json.load(f)


def newest(service, name, data):
    """A part of the service's model in one of botocore's data directories, or {}."""
    found = sorted(glob.glob(os.path.join(data, DIRECTORIES.get(service, service), "*", name + ".json*")))
    return load(found[-1]) if found else {}


def part(service, name):
    """The newest that the machine has of a part of a service's model, or {}."""
    newer = newer_python()
    return newer and newest(service, name, newer[1]) or newest(service, name, DEBIAN_DATA)


@functools.cache
def model(service):
    return part(service, "service-2")


@functools.cache
def rest_routes(service):
    """[(method, pattern of the path, operation)], the longest path first."""
    rows = []
    for name, operation in model(service).get("operations", {}).items() if service else ():
        uri = operation["http"].get("requestUri", "/").partition("?")[0].rstrip("/")
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(uri))
        rows.append((operation["http"]["method"], re.compile(pattern), name, len(uri)))
    return sorted(rows, key=lambda row: -row[3])


def rest_operation(service, method, path):
    """Older models end some paths in a slash."""
    path = path.rstrip("/")
    return next((name for m, pattern, name, _ in rest_routes(service) if m == method and pattern.fullmatch(path)), "")


class Check:
    """One answer; `wrong` are the complaints. present: {shape: members that are always there}."""

    def __init__(self, service, present):
        self.model, self.present, self.wrong = model(service), present, []
        self.protocol = self.model["metadata"]["protocol"]

    def complain(self, path, text):
        self.wrong.append(f"{path or 'answer'}: {text}")

    def look_for(self, name, seen, path):
        wanted = set(self.present.get(name, ())) | set(self.model["shapes"][name].get("required", ()))
        for member in sorted(wanted - set(seen)):
            self.complain(path, f"{name} has no {member}")

    def value(self, name, shape, text, path):
        if shape.get("enum") and text not in shape["enum"] and text not in WRITTEN.get(name, ()):
            self.complain(path, f"{text!r} is none of {shape['enum']}")
        if shape["type"] in SCALARS and not SCALARS[shape["type"]].fullmatch(text):
            self.complain(path, f"{text!r} is no {shape['type']}")
        if shape["type"] == "blob":
            try:
                base64.b64decode(text, validate=True)
            except binascii.Error:
                self.complain(path, "is no base64")

    # --- XML

    def xml(self, name, node, path):
        shape = self.model["shapes"][name]
        {"structure": self.xml_structure, "list": self.xml_list}.get(shape["type"], self.xml_scalar)(name, shape, node, path)

    def xml_scalar(self, name, shape, node, path):
        if len(node):
            self.complain(path, f"has elements and is a {shape['type']}")
        self.value(name, shape, node.text or "", path)

    def xml_list(self, _, shape, node, path):
        member = shape["member"]
        item = member.get("locationName", "item" if self.protocol == "ec2" else "member")
        for child in node:
            if local(child) != item:
                self.complain(path, f"has {local(child)} where {item} belongs")
            self.xml(member["shape"], child, path + "[]")

    def xml_structure(self, name, shape, node, path):
        names = {ref.get("locationName", member): (member, ref["shape"]) for member, ref in shape["members"].items()}
        seen = []
        for child in node:
            if local(child) not in names:
                self.complain(path, f"the model's {name} has no {local(child)}")
                continue
            member, inner = names[local(child)]
            if member in seen:
                self.complain(path, f"has {member} twice")
            seen.append(member)
            self.xml(inner, child, f"{path}.{member}".lstrip("."))
        self.look_for(name, seen, path)

    # --- JSON

    def json(self, name, value, path):
        shape = self.model["shapes"][name]
        kind = JSON_TYPES[shape["type"]]
        if not isinstance(value, kind) or (isinstance(value, bool) and shape["type"] != "boolean"):
            self.complain(path, f"{value!r} is no {shape['type']}")
        elif shape["type"] == "structure":
            self.json_structure(name, shape, value, path)
        elif shape["type"] == "list":
            for item in value:
                self.json(shape["member"]["shape"], item, path + "[]")
        elif shape["type"] == "map":
            for item in value.values():
                self.json(shape["value"]["shape"], item, path + "{}")
        elif isinstance(value, str) and shape["type"] != "timestamp":
            self.value(name, shape, value, path)

    def json_structure(self, name, shape, value, path):
        inside = {ref.get("locationName", member): (member, ref["shape"]) for member, ref in shape["members"].items()
                  if ref.get("location") not in ("header", "statusCode")}
        for key in value:
            if key not in inside:
                self.complain(path, f"the model's {name} has no {key}")
            else:
                self.json(inside[key][1], value[key], f"{path}.{inside[key][0]}".lstrip("."))
        elsewhere = [m for m, ref in shape["members"].items() if "location" in ref]
        self.look_for(name, elsewhere + [inside[key][0] for key in value if key in inside], path)


def local(node):
    return node.tag.rpartition("}")[2]


def xml_answer(check, operation, body):
    root = xml.etree.ElementTree.fromstring(body)
    output = operation.get("output")
    if check.protocol == "query":
        wrapper = output.get("resultWrapper") if output else None
        if [local(child) for child in root] != [w for w in (wrapper, "ResponseMetadata") if w]:
            check.complain("", "a wrapper is missing")
        if wrapper:
            check.xml(output["shape"], root[0], "")
        return
    ids = [child for child in root if local(child) == "requestId"]
    if len(ids) != 1:
        check.complain("", "has no requestId of its own")
    for child in ids:
        root.remove(child)
    if output and check.model["shapes"][output["shape"]]["members"]:
        check.xml(output["shape"], root, "")
    elif [local(child) for child in root] not in ([], ["return"]):
        check.complain("", "is not empty")


def error(check, body):
    """EC2's form of an error; the other services' clients look for less."""
    if check.protocol != "ec2":
        return
    root = xml.etree.ElementTree.fromstring(body)
    if [local(n) for n in root.iter()] != ["Response", "Errors", "Error", "Code", "Message", "RequestID"]:
        check.complain("", f"an error of another form: {body[:300]!r}")


def check(call, present):
    """The complaints about one wire.Call."""
    known = model(call.service) if call.service else {}
    operation = known.get("operations", {}).get(call.operation)
    if not operation:
        return [] if call.status >= 400 else ["no such operation in the model"]
    it = Check(call.service, present)
    output = operation.get("output")
    if call.status >= 400:
        error(it, call.body)
    elif "cbor" in call.content_type:  # what botocore speaks to CloudWatch: its own parser is as strict as this
        return []
    elif it.protocol in ("ec2", "query"):
        xml_answer(it, operation, call.body)
    elif output and not known["shapes"][output["shape"]].get("payload") and call.body:
        it.json(output["shape"], json.loads(call.body), "")
    return it.wrong
