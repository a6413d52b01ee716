"""Which action which client uses: the table of a service's part, and what is proven of it.

A part is a module: SERVICE, ROOMS (tables of api/action_*.c), SCENES {name: steps}, TERRAFORM {action: resource that uses it, or
"-: why none does"}, PRESENT {shape: members that AWS always sends}; prepare(cloud), where there is one, returns the names that its
scenes begin with; prepare_guests(cloud) makes what those in GUESTS need."""

import html
import re

import shape
from cloud import ROOT

CLIENTS = ("cli", "boto3", "terraform")


def actions_of(rooms):
    """{(service, action)} in the tables of these rooms."""
    found = set()
    for path in (ROOT / "api").rglob("*.c"):
        text = path.read_text(encoding="utf-8")
        for room, rows in re.findall(r"^const struct action actions_(\w+)\[\] = \{(.*?)^\};", text, flags=re.M | re.S):
            if room in rooms:
                found |= set(re.findall(r'\.service = "([a-z0-9-]+)",\s*\.name = "(\w+)"', rows))
    return found


def names_of(part, cloud):
    """What the part's scenes begin with."""
    return part.prepare(cloud) if hasattr(part, "prepare") else {}


def documented_filters(service, data=shape.DEBIAN_DATA):
    """{action: (the member's name, names of filters)} by the documentation in a service model."""
    model = shape.newest(service, "service-2", data)
    found = {}
    for name, operation in model["operations"].items():
        members = model["shapes"].get(operation.get("input", {}).get("shape"), {}).get("members", {})
        for member in ("Filters", "Filter"):
            text = members.get(member, {}).get("documentation", "")
            names = [html.unescape(n) for n in re.findall(r"<li> *<p> *<code> *([^<]+?) *</code>", text)]
            if names:
                found[name] = member, ["tag:Name" if n.startswith("tag:") or n == "tag" else n for n in names]
    return found


def gaps(part):
    """What the table lacks, or has too much, as lines."""
    has = {name for service, name in actions_of(part.ROOMS) if service == part.SERVICE}
    walked = {step.action for scene in part.SCENES.values() for step in scene
              if step.do == "call" and not step.fails and step.service == part.SERVICE}
    rows = [f"{action}: no scene does it" for action in sorted(has - walked)]
    rows += [f"{action}: no word about Terraform" for action in sorted(has - set(part.TERRAFORM))]
    rows += [f"{action}: no such action" for action in sorted(set(part.TERRAFORM) - has)]
    return rows


def matrix(part, heard, unknown):
    """The lines of action x client, and the cells that are empty and should not be. unknown: actions that the CLI or boto3 of
    this machine is too old for."""
    lines, empty = [f"{'':44} {'cli':>6} {'boto3':>6} {'terraform':>9}"], []
    for action in sorted(part.TERRAFORM):
        cells = []
        for client, width in zip(CLIENTS, (6, 6, 9)):
            n = heard[action][client]
            wanted = not part.TERRAFORM[action].startswith("-") if client == "terraform" else action not in unknown.get(client, ())
            cells.append(f"{n or ('MISSING' if wanted else '-'):>{width}}")
            if wanted and not n:
                empty.append(f"{action}: {client}")
        lines.append(f"{action:44} {' '.join(cells)}  {part.TERRAFORM[action]}")
    return lines, empty
