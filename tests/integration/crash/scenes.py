"""What is lived through while everything dies, and who is killed at whose points."""

import collections

from sector import SectorCloud
from trial import Life, TrialCloud
from volumes import VolumeCloud, VolumeLife

Scene = collections.namedtuple("Scene", "cloud life ends rounds victims most passes shares")
Scene.__doc__ = """cloud(), life(cloud, executioner, references).live(token, one of ends); rounds: undisturbed lives with each end, by
which the points are found; victims(cloud, point): who is killed there, {name: pids}, None for the asking process itself; most: times that a daemon is killed in one step;
passes: places without which the scene would prove nothing; shares: how many of a hundred points `make test` kills at,
{word in the point's name: percent}, the least counts; {"": 0}: the scene is not in it."""

# {at whose points: who is killed there}.
OF_INSTANCES = {"api": ("api",), "storaged": ("storaged",), "netd": ("netd", "dnsmasq"), "hypervisor": ("hypervisor", "libvirtd"),
                "libvirtd": ("libvirtd",)}
OF_VOLUMES = {"api": ("api",), "storaged": ("storaged", "QEMU"), "hypervisor": ("hypervisor", "libvirtd", "QEMU"),
              "libvirtd": ("libvirtd", "QEMU", "hypervisor")}
# While a guest is frozen nobody else does anything.
OF_FROZEN = {at: OF_VOLUMES[at] for at in ("hypervisor", "libvirtd")}


def victims_by(table):
    def victims(cloud, point):
        found = {name: None if name == point.daemon else cloud.pids(name) for name in table.get(point.daemon, ())}
        return {name: pids for name, pids in found.items() if pids or name == point.daemon}
    return victims


def victims_of_frozen(cloud, point):
    """A QEMU that dies while its guest is not asked to freeze or to thaw dies as any other does."""
    found = victims_by(OF_FROZEN)(cloud, point)
    if not point.place.startswith("agent:"):
        found.pop("QEMU", None)
    return found


SCENES = {
    "instances": Scene(TrialCloud, Life, ("terminate", "force", "sealed"), 2, victims_by(OF_INSTANCES), 1, {"qmp:cont"},
                       {"": 100, "sealed": 12, "at libvirtd": 0}),
    "volumes": Scene(SectorCloud, VolumeLife, ("plain", "sealed", "long"), 2, victims_by(OF_VOLUMES), 3,
                     {"qmp:block-commit", "qmp:block-stream", "qmp:device_del", "qmp:block_resize"}, {"": 0}),
    "frozen": Scene(VolumeCloud, VolumeLife, ("frozen",), 2, victims_of_frozen, 3,
                    {"agent:guest-fsfreeze-freeze", "agent:guest-fsfreeze-thaw", "qmp:transaction"}, {"": 0}),
}
