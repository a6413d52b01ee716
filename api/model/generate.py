#!/usr/bin/python3
"""Turn botocore's service models into constant C tables (form: tables.h).

The data is botocore's (https://github.com/boto/botocore), Copyright Amazon.com,
Inc. or its affiliates, under the Apache License 2.0; see NOTICE. What newer
clients send and the installed model lacks comes from overlay.json.
"""
import argparse
import html
import json
import os
import re
import sys

# A service is a row here (credential scope name, model directory) and its handlers.
SERVICES = [
    ("ec2", "ec2/2016-11-15"),
    ("ssm", "ssm/2014-11-06"),
    ("kms", "kms/2014-11-01"),
    ("sts", "sts/2011-06-15"),
    ("ce", "ce/2017-10-25"),
    ("budgets", "budgets/2016-10-20"),
    ("pricing", "pricing/2017-10-15"),
    ("monitoring", "cloudwatch/2010-08-01"),
    ("ebs", "ebs/2019-11-02"),
    ("rbin", "rbin/2021-06-15"),
    ("dlm", "dlm/2018-01-12"),
]

PROTOCOLS = {"ec2": "MODEL_PROTOCOL_EC2", "query": "MODEL_PROTOCOL_QUERY",
             "json": "MODEL_PROTOCOL_JSON", "rest-json": "MODEL_PROTOCOL_REST_JSON"}
LOCATIONS = {"uri": "MODEL_MEMBER_URI", "querystring": "MODEL_MEMBER_QUERY", "header": "MODEL_MEMBER_HEADER"}
TYPES = {"structure", "list", "map", "string", "integer", "long", "boolean",
         "float", "double", "timestamp", "blob"}
UNBOUNDED = 1e18
MATCHERS = {"path": "MODEL_MATCH_PATH", "pathAll": "MODEL_MATCH_PATH_ALL", "pathAny": "MODEL_MATCH_PATH_ANY",
            "status": "MODEL_MATCH_STATUS", "error": "MODEL_MATCH_ERROR"}
VERDICTS = {"success": "MODEL_WAITER_SUCCESS", "failure": "MODEL_WAITER_FAILURE", "retry": "MODEL_WAITER_RETRY"}
DOC_MAX = 240


def once(pairs):
    """An object each of whose names is there once: json would take the last."""
    it = dict(pairs)
    if len(it) != len(pairs):
        raise ValueError(f"a name is there twice: {[name for name, _ in pairs]}")
    return it


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f, object_pairs_hook=once)


def load_part(directory, name, key):
    """The object under a key of a file that not every service has."""
    path = os.path.join(directory, name)
    return load(path)[key] if os.path.exists(path) else {}


def sentence(doc):
    """The first sentence of a piece of documentation, without its HTML."""
    text = re.sub(r"<(p|li|note|br)[^>]*>", " ", doc or "")
    text = html.unescape(re.sub(r"<[^>]+>", "", text))
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^\[[^\]]*\] ", "", text)
    end = re.search(r"(?<!e\.g)(?<!i\.e)\.(?= |$)", text)
    text = text[:end.end()] if end else text
    return text if len(text) <= DOC_MAX else text[:DOC_MAX - 1].rsplit(" ", 1)[0] + " ..."


def overlay_shape(shapes, name, extra):
    """Add members, required names and enum values, take names from the required ones; a new shape comes whole."""
    if name not in shapes:
        shapes[name] = extra
        return
    shape = shapes[name]
    for member, ref in extra.get("members", {}).items():
        shape["members"].setdefault(member, ref)
    for key in ("required", "enum"):
        have = shape.setdefault(key, []) if extra.get(key) else []
        have.extend(v for v in extra.get(key, []) if v not in have)
    for member in extra.get("optional", []):
        shape["required"].remove(member)


def apply_overlay(model, overlay):
    for name, extra in overlay.get("shapes", {}).items():
        overlay_shape(model["shapes"], name, extra)
    for name, extra in overlay.get("operations", {}).items():
        model["operations"].setdefault(name, {"name": name}).update(extra)
    for name in overlay.get("open_enums", []):
        model["shapes"][name]["open"] = True


def simple_path(expression):
    """A JMESPath expression without filters and functions as names with dots between; "" for others."""
    plain = re.fullmatch(r"[A-Za-z0-9]+(\[\])?(\.[A-Za-z0-9]+(\[\])?)*", expression)
    return expression.replace("[]", "") if plain else ""


def matcher(acceptor):
    """(matcher, path, expected text) of a waiter's acceptor; its path "" where only JMESPath has it."""
    expression, expected = acceptor.get("argument", ""), acceptor["expected"]
    text = json.dumps(expected) if not isinstance(expected, str) else expected
    there = re.fullmatch(r"length\((.*)\) > `0`", expression)
    if acceptor["matcher"] == "path" and expected is True and there and simple_path(there[1]):
        return "MODEL_MATCH_SOME", simple_path(there[1]), text
    return MATCHERS[acceptor["matcher"]], simple_path(expression), text


def wire_name(protocol, name, ref):
    """A member's name in a query request."""
    if protocol == "ec2":
        if "queryName" in ref:
            return ref["queryName"]
        location = ref.get("locationName")
        return location[0].upper() + location[1:] if location else name
    if protocol == "rest-json":
        return name
    return ref.get("locationName", name)


class Tables:
    def __init__(self):
        self.offsets, self.pool, self.size = {"": 0}, [""], 1
        self.enums, self.members = [], []
        self.bounds = [(0, 0)]
        self.shapes = [None]
        self.operations, self.services = [], []
        self.waiters, self.acceptors = [], []

    def text(self, value):
        if value not in self.offsets:
            self.offsets[value] = self.size
            self.pool.append(value)
            self.size += len(value.encode()) + 1
        return self.offsets[value]

    def bound(self, shape):
        if "min" not in shape and "max" not in shape:
            return 0
        low = -UNBOUNDED if shape["type"] in ("integer", "long", "float", "double") else 0
        pair = (shape.get("min", low), shape.get("max", UNBOUNDED))
        if pair not in self.bounds:
            self.bounds.append(pair)
        return self.bounds.index(pair)


class Service:
    """One service's part of the tables."""

    def __init__(self, tables, model, pages, waiters):
        self.t, self.model, self.pages, self.waiters = tables, model, pages, waiters
        self.protocol = model["metadata"]["protocol"]
        self.index, self.inputs = {}, set()

    def reach(self, name, seen):
        if name in seen:
            return
        seen.add(name)
        shape = self.model["shapes"][name]
        refs = list(shape.get("members", {}).values())
        refs += [shape[k] for k in ("member", "value") if k in shape]
        for ref in refs:
            self.reach(ref["shape"], seen)

    def number_shapes(self):
        operations = self.model["operations"].values()
        seen = set()
        for side in ("input", "output"):
            for op in operations:
                if side in op:
                    self.reach(op[side]["shape"], seen)
            if side == "input":
                self.inputs = set(seen)
        for name in sorted(seen):
            self.index[name] = len(self.t.shapes)
            self.t.shapes.append(None)

    def add_member(self, owner, name, ref):
        t, shape = self.t, self.model["shapes"][owner]
        flags = ["MODEL_MEMBER_REQUIRED"] if name in shape.get("required", []) else []
        if ref.get("idempotencyToken"):
            flags.append("MODEL_MEMBER_TOKEN")
        if self.protocol == "rest-json" and "location" in ref:
            flags.append(LOCATIONS[ref["location"]])
        if shape.get("payload") == name:
            flags.append("MODEL_MEMBER_PAYLOAD")
        doc = sentence(ref.get("documentation")) if owner in self.inputs else ""
        t.members.append((t.text(name), t.text(wire_name(self.protocol, name, ref)),
                          t.text(ref.get("locationName", name)), t.text(doc),
                          self.index[ref["shape"]], " | ".join(flags) or "0"))

    def list_item(self, shape):
        default = "item" if self.protocol == "ec2" else "member"
        return shape["member"].get("locationName", shape.get("locationName", default)
                                   if self.protocol == "ec2" else default)

    def add_shape(self, name):
        t, shape = self.t, self.model["shapes"][name]
        kind = shape["type"]
        if kind not in TYPES:
            sys.exit(f"generate.py: shape {name} has the unknown type {kind}")
        first, count, element, item = 0, 0, 0, ""
        if kind == "structure":
            first, count = len(t.members), len(shape["members"])
            for member, ref in shape["members"].items():
                self.add_member(name, member, ref)
        elif kind == "list":
            element, item = self.index[shape["member"]["shape"]], self.list_item(shape)
        elif kind == "map":
            element = self.index[shape["value"]["shape"]]
        elif kind == "string" and shape.get("enum"):
            first, count = len(t.enums), len(shape["enum"])
            t.enums.extend(t.text(v) for v in shape["enum"])
        flags = ["MODEL_SHAPE_FLATTENED"] if shape.get("flattened") else []
        if shape.get("open"):
            flags.append("MODEL_SHAPE_OPEN")
        if shape.get("timestampFormat") == "iso8601":
            flags.append("MODEL_SHAPE_ISO8601")
        t.shapes[self.index[name]] = (t.text(name), t.text(item), first, count, element,
                                      t.bound(shape), "MODEL_" + kind.upper(),
                                      " | ".join(flags) or "0")

    def token_index(self, op):
        members = self.model["shapes"].get(op.get("input", {}).get("shape"), {}).get("members", {})
        for i, (name, ref) in enumerate(members.items()):
            if ref.get("idempotencyToken") or name == "ClientToken":
                return i
        return "MODEL_NO_MEMBER"

    def add_operation(self, name, op):
        t, page = self.t, self.pages.get(name)
        members = lambda side: self.model["shapes"].get(
            op.get(side, {}).get("shape"), {}).get("members", {})
        paginated = page or ("NextToken" in members("input") and "NextToken" in members("output"))
        key = page["result_key"] if page else ""
        key = key[0] if isinstance(key, list) else key
        side = lambda s: self.index[op[s]["shape"]] if s in op else 0
        http = op.get("http", {}) if self.protocol == "rest-json" else {}
        t.operations.append((t.text(name), t.text(sentence(op.get("documentation"))), t.text(key),
                             t.text(http.get("method", "")), t.text(http.get("requestUri", "")), http.get("responseCode", 200),
                             side("input"), side("output"), self.token_index(op),
                             len(t.services), "MODEL_OPERATION_PAGINATED" if paginated else "0"))

    def add_waiter(self, name, waiter, operation):
        t = self.t
        t.waiters.append((t.text(name), operation, waiter["delay"], waiter["maxAttempts"],
                          len(t.acceptors), len(waiter["acceptors"])))
        for acceptor in waiter["acceptors"]:
            kind, path, expected = matcher(acceptor)
            t.acceptors.append((t.text(acceptor.get("argument", "")), t.text(path), t.text(expected),
                                kind, VERDICTS[acceptor["state"]]))

    def add(self, name):
        meta, t = self.model["metadata"], self.t
        self.number_shapes()
        for shape in sorted(self.index):
            self.add_shape(shape)
        first = len(t.operations)
        for op in sorted(self.model["operations"]):
            self.add_operation(op, self.model["operations"][op])
        operations = sorted(self.model["operations"])
        first_waiter = len(t.waiters)
        for waiter in sorted(self.waiters):
            row = self.waiters[waiter]
            self.add_waiter(waiter, row, first + operations.index(row["operation"]))
        xmlns = meta.get("xmlNamespace", "")
        # Clients written for the real EC2 (libcloud) expect its trailing slash, and the
        # query services' models carry theirs.
        if not xmlns.endswith("/"):
            xmlns += "/"
        t.services.append((t.text(name), t.text(meta["apiVersion"]), t.text(xmlns), first,
                           len(t.operations) - first, first_waiter, len(t.waiters) - first_waiter,
                           PROTOCOLS[self.protocol]))


def c_string(text):
    out = []
    for byte in text.encode():
        if byte in b'"\\?':
            out.append("\\" + chr(byte))
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '\\0"'


def c_number(value):
    return repr(float(value))


def write_rows(out, declaration, rows):
    out.write(f"\nconst {declaration}[] = {{\n")
    for row in rows:
        out.write("\t{ " + ", ".join(map(str, row)) + " },\n")
    out.write("};\n")


def write(tables, out):
    out.write("/* Made by api/model/generate.py from the service models of botocore\n"
              " * (Copyright Amazon.com, Inc. or its affiliates; Apache License 2.0, see\n"
              " * NOTICE) and api/model/overlay.json. Do not edit. */\n"
              '#include "api/model/model.h"\n#include "api/model/tables.h"\n')
    out.write("\nconst char model_strings[] =\n")
    out.write("\n".join("\t" + c_string(s) for s in tables.pool) + ";\n")
    out.write("\nconst uint32_t model_enums[] = {\n")
    for i in range(0, len(tables.enums), 12):
        out.write("\t" + " ".join(f"{v}," for v in tables.enums[i:i + 12]) + "\n")
    out.write("};\n")
    write_rows(out, "struct model_bounds model_bounds",
               [(c_number(a), c_number(b)) for a, b in tables.bounds])
    write_rows(out, "struct model_member model_members", tables.members)
    none = (0, 0, 0, 0, 0, 0, "MODEL_STRUCTURE", 0)
    write_rows(out, "struct model_shape model_shapes", [s or none for s in tables.shapes])
    write_rows(out, "struct model_operation model_operations", tables.operations)
    write_rows(out, "struct model_acceptor model_acceptors", tables.acceptors)
    write_rows(out, "struct model_waiter model_waiters", tables.waiters)
    write_rows(out, "struct model_service model_services", tables.services)
    out.write(f"\nconst uint32_t model_services_count = {len(tables.services)};\n")


def check_limits(tables):
    for what, rows in (("members", tables.members), ("shapes", tables.shapes),
                       ("enums", tables.enums), ("operations", tables.operations)):
        if len(rows) > 0xfff0:
            sys.exit(f"generate.py: too many {what} for 16-bit indexes: {len(rows)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="botocore's data directory")
    parser.add_argument("--overlay", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    overlay, tables = load(args.overlay), Tables()
    for name, directory in SERVICES:
        base = os.path.join(args.data, directory)
        model = load(os.path.join(base, "service-2.json"))
        apply_overlay(model, overlay.get(name, {}))
        Service(tables, model, load_part(base, "paginators-1.json", "pagination"),
                load_part(base, "waiters-2.json", "waiters")).add(name)
    check_limits(tables)
    temporary = args.output + ".new"
    with open(temporary, "w", encoding="utf-8") as out:
        write(tables, out)
    os.replace(temporary, args.output)


if __name__ == "__main__":
    main()
