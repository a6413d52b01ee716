"""Proportional set sizes: pages that several processes share count by their part."""

import re

from row import Row

DAEMONS = ("api", "hypervisor", "netd", "storaged")
AIM_MIB = 40


def pss_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Pss: +(\d+) kB", file.read(), re.M)[1]) / 1024


def daemons(cloud):
    return {name: pss_mib(cloud.pid(name)) for name in DAEMONS}


def row(cloud, count):
    """The four daemons' memory, and a note of each one's."""
    sizes = daemons(cloud)
    note = "memory of each daemon: " + ", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items())
    return Row(f"memory of the four daemons with {count} instances", sum(sizes.values()), AIM_MIB, "MiB (PSS)",
               "the aim", 1, aim_text=f"<= {AIM_MIB} MiB"), note
