"""What is lived through while everything dies, and who is killed at whose points."""

import collections

from trial import Life, TrialCloud
from volumes import VolumeCloud, VolumeLife

Scene = collections.namedtuple("Scene", "cloud life ends rounds victims passes shares")
Scene.__doc__ = """cloud(), life(cloud, executioner, references).live(token, one of ends); rounds: undisturbed lives with each end, by
which the points are found; victims(cloud, point): who is killed there, {name: pids}, None for the asking process itself;
passes: places without which the scene would prove nothing; shares: how many of a hundred points `make test` kills at,
{word in the point's name: percent}, the least counts; {"": 0}: the scene is not in it."""

# {at whose points: who is killed there}.
OF_INSTANCES = {"api": ("api",), "storaged": ("storaged",), "netd": ("netd", "dnsmasq"), "hypervisor": ("hypervisor", "libvirtd"),
                "libvirtd": ("libvirtd",)}
OF_VOLUMES = {"api": ("api",), "storaged": ("storaged", "QEMU"), "hypervisor": ("hypervisor", "libvirtd", "QEMU"),
              "libvirtd": ("libvirtd", "QEMU", "hypervisor")}


def victims_by(table):
    def victims(cloud, point):
        found = {name: None if name == point.daemon else cloud.pids(name) for name in table.get(point.daemon, ())}
        return {name: pids for name, pids in found.items() if pids or name == point.daemon}
    return victims


SCENES = {
    "instances": Scene(TrialCloud, Life, ("terminate", "force", "sealed"), 2, victims_by(OF_INSTANCES), {"qmp:cont"},
                       {"": 100, "sealed": 12, "at libvirtd": 0}),
    "volumes": Scene(VolumeCloud, VolumeLife, ("plain", "sealed", "long"), 1, victims_by(OF_VOLUMES),
                     {"agent:guest-fsfreeze-freeze", "agent:guest-fsfreeze-thaw", "qmp:block-commit", "qmp:block-stream",
                      "qmp:device_del", "qmp:block_resize"}, {"": 0}),
}
