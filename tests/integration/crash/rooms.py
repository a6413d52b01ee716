"""What the rooms and the kernel hold, in a form in which two lives can be compared."""

import contextlib
import difflib
import itertools
import json
import os
import pathlib
import re
import sqlite3
import subprocess

# One JSON document or text a part, the parts separated by a line of a form feed.
LOOK = r"""
nft -j list ruleset; echo; printf '\f\n'
ip -j -d link; printf '\f\n'
ip -j addr; printf '\f\n'
ip -j rule; printf '\f\n'
ip -j route show table all; printf '\f\n'
ip -j neigh show nud permanent; printf '\f\n'
bridge -j fdb; printf '\f\n'
cd /proc/sys/net
grep -s . ipv4/ip_forward netfilter/nf_conntrack_tcp_loose bridge/bridge-nf-call-* ipv4/conf/*/send_redirects \
	ipv4/conf/*/rp_filter ipv4/conf/*/proxy_arp_pvlan ipv4/neigh/*/proxy_delay ipv6/conf/*/disable_ipv6
true
"""
# What differs from one making to the next without meaning anything.
IDLE = {"handle", "packets", "bytes", "ifindex", "link_index", "link_netnsid", "index", "operstate", "metainfo", "flags",
        "stats64", "qdisc", "txqlen", "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer", "num_tx_queues",
        "num_rx_queues", "promiscuity", "allmulti", "valid_life_time", "preferred_life_time", "root_id", "bridge_id",
        "designated_bridge", "designated_port", "id", "no", "priority", "port_id", "port_no", "root_port",
        "root_path_cost", "topology_change", "topology_change_detected", "hold_timer", "message_age_timer",
        "forward_delay_timer", "linkmode", "gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs",
        "gro_max_size", "min_mtu", "max_mtu", "ifalias", "state", "link"}


def strip(value, key=None):
    """Without what means nothing; lists in an order of their own, but for a rule's expressions."""
    if isinstance(value, dict):
        return {k: strip(v, k) for k, v in value.items() if k not in IDLE}
    if isinstance(value, list):
        items = [strip(v) for v in value]
        return items if key == "expr" else sorted(items, key=lambda v: json.dumps(v, sort_keys=True))
    return value


def asks(thing, names):
    """Is it a rule that looks into one of these sets?"""
    return any(f'"@{name}"' in json.dumps(thing.get("expr", [])) for name in names)


def ruleset(document):
    """{table and chain: its rules in order}, and sets and maps with their elements. Without what netd leaves of the last rule of its
    kind in a group until the next whole document: an empty set, and a rule that looks into it."""
    result = {}
    items = document.get("nftables", [])
    empty = [item["set"]["name"] for item in items if "set" in item and item["set"]["name"].startswith("sg_") and not item["set"].get("elem")]
    for item in items:
        for kind, thing in item.items():
            if thing.get("name") in empty or asks(thing, empty):
                continue
            name = " ".join(str(thing.get(k, "")) for k in ("family", "table", "name"))
            if kind == "rule":
                rules = result.setdefault(f"rules {thing['family']} {thing['table']} {thing['chain']}", [])
                rules.append(strip(thing["expr"], "expr"))
            elif kind != "metainfo":
                result[f"{kind} {name}"] = strip(thing)
    return result


def links(document):
    """Link up or down matters, the other flags follow from elsewhere."""
    for link in document:
        link["up"] = "UP" in link.get("flags", [])
    return strip(document)


def look(namespace=None):
    """The kernel's network state of a namespace (None: ours), for compare_form()."""
    command = ["sh", "-c", LOOK] if namespace is None else ["nsenter", f"--net={namespace}", "sh", "-c", LOOK]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout


def compare_form(text, names):
    """Text of look() as a document; names: {what: what to call it}."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    text = re.sub("epoch_[0-9a-f]{16}", "EPOCH", text)  # drawn anew with each table
    parts = text.split("\f\n")
    keys = ("nft", "link", "addr", "rule", "route", "neigh", "fdb")
    result = {}
    for key, part in zip(keys, parts):
        document = json.loads(part or "[]")
        result[key] = ruleset(document) if key == "nft" else links(document) if key == "link" else strip(document)
    result["sysctl"] = sorted(parts[-1].splitlines())
    return result


def difference(before, now):
    """Lines that two documents do not have in common; empty when they are equal."""
    a, b = (json.dumps(d, indent=1, sort_keys=True).splitlines() for d in (before, now))
    return [line for line in difflib.unified_diff(a, b, "before", "now", n=6, lineterm="")] if a != b else []


def processes(word):
    """{pid: command line} of those whose command line has the word in it."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if word in command and int(path.name) != os.getpid():
            found[int(path.name)] = command
    return found


def layers(database):
    """What storaged has on record, by kind and state."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT 'layer ' || state FROM layers UNION ALL SELECT 'volume ' || id FROM volumes")
        return sorted(row[0] for row in rows)


def unwritten(database):
    """How many owners' documents storaged has yet to write, or to remove."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM stale").fetchone()[0]


def misbilled(database, living=()):
    """What is wrong with the usage records when every guest and volume but the living is gone. What a volume's meters count begins with it
    and ends with it: not a nanosecond may be missing between two records, nor be in both."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        wrong = [f"{meter} of {resource} is open" for resource, meter in db.execute(
            "SELECT o.resource, o.meter FROM usage_open o LEFT JOIN resource r ON r.id = o.resource"
            " WHERE r.id IS NULL OR o.meter IN ('instance', 'public-ipv4') OR o.meter LIKE 'volume%'") if resource not in living]
        by_record = db.execute("SELECT line, SUM(ns + extra) FROM usage_record GROUP BY 1 ORDER BY 1").fetchall()
        if by_record != db.execute("SELECT line, SUM(amount) FROM usage_day GROUP BY 1 ORDER BY 1").fetchall():
            wrong.append("the days are not what the records are")
        records = db.execute("SELECT l.resource, l.meter, r.label, r.ns FROM usage_record r JOIN usage_line l ON l.id = r.line"
                             " ORDER BY 1, 2, 3").fetchall()
    for (*of, label, ns), (*of_next, label_next, _) in itertools.pairwise(records):
        gap = label_next - (label + ns)
        if of == of_next and (gap < 0 or (gap > 0 and of[1].startswith("volume"))):
            wrong.append(f"{gap} ns between two records of {of}")
    return wrong


def borne(api_database, storaged_database):
    """What each snapshot bears, by storaged's records, and by the usage that api has open; one that bears nothing is not metered."""
    with contextlib.closing(sqlite3.connect(f"file:{storaged_database}?mode=ro", uri=True)) as db:
        stored = dict(db.execute("SELECT id, bytes + inherited FROM snapshots WHERE overlay IS NULL AND bytes + inherited > 0"))
    with contextlib.closing(sqlite3.connect(f"file:{api_database}?mode=ro", uri=True)) as db:
        metered = dict(db.execute("SELECT o.resource, l.quantity FROM usage_open o JOIN usage_line l ON l.id = o.line WHERE o.meter = 'snapshot'"))
    return stored, metered


def files(*directories):
    """Every file's path, without logs, and without what libvirtd keeps while it runs: one that is killed
    while it tidies up after a guest leaves that guest's pid file there, which it takes over by its name, and an
    empty directory for channels; one that is killed while it starts a guest leaves the directory of the QEMU of which it had not
    yet written down that it is there."""
    return sorted(str(path) for d in directories for path in pathlib.Path(d).rglob("*")
                  if not re.search(r"/log/|\.log$|/cache/|/r/libvirt/|/libvirt/lib/qemu/(channel/target/)?domain-", str(path)))
