"""One cloud for all measurements of a run that need one."""

import argparse
import contextlib
import pathlib
import shutil
import tempfile

import billing
import describe
import disk
import launch
import limits
import memory
import network
import rules
import storage
import vpcs
from cloud import Cloud, run


# What has no use for that cloud.
ALONE = {"network": ("packets between two guests of a VPC, with few rules and many", network),
         "rules": ("single rules, until they are in force", rules),
         "vpcs": ("a thousand VPCs", vpcs)}


def say(text):
    print(f"bench: {text}", flush=True)


def stop_one(bench, guest):
    bench.ec2.stop_instances(InstanceIds=[guest.id], Force=True)
    bench.cloud.wait_state(guest.id, "stopped")


def measure_guests(bench, options, found):
    """The launches and the memory; the guests that run at their end."""
    if "launch" in options.names:
        say(f"one instance, {options.repeats} times, in turn with bare QEMU")
        one = bench.one(options.repeats)
        say(f"{options.guests} at once, in turn with bare QEMU")
        guests, many = bench.many(options.guests)
        found["launch"] = ([one, many], [])
    else:
        guests = bench.launch(options.guests if "memory" in options.names else 1)
        for guest in guests:
            bench.cloud.wait_state(guest.id, "running")
    if "memory" in options.names:
        row, note = memory.row(bench.cloud, len(guests))
        found["memory"] = ([row], [note])
    return guests


def measure_all(cloud, directory, options):
    found = {}
    bench = launch.Bench(cloud, directory)
    try:
        if "disk" in options.names:
            say("a guest's disk, in turn with bare QEMU")
            found["disk"] = disk.measure(bench)
        if "limits" in options.names:
            say("the limits of volume types, in a guest")
            found["limits"] = limits.measure(bench)
        guests = measure_guests(bench, options, found) if set(options.names) & {"launch", "memory", "describe"} else []
        if "describe" in options.names:
            if guests[1:]:
                bench.terminate(guests[1:])
            stop_one(bench, guests[0])
            say("many stored instances, in turn with moto")
            found["describe"] = describe.measure(cloud, guests[0].id, directory)
    finally:
        bench.close()
    return found


@contextlib.contextmanager
def in_memory(directory):
    directory.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "minicloud", directory)
    try:
        yield
    finally:
        run("umount", "--lazy", directory, check=False)


@contextlib.contextmanager
def directories(cloud, options):
    """Those of its run in memory, as a host's /run is: what daemons note there at a launch is no disk's matter. The store, too, where
    the way from guest to file is measured: no medium then makes up for a longer one."""
    with in_memory(cloud.run), in_memory(cloud.home) if options.names == ["disk"] else contextlib.nullcontext():
        yield


def measure_with(cloud, options):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mcbench", dir="/tmp"))
    try:
        say("starting a cloud")
        cloud.start()
        return measure_all(cloud, directory, options)
    finally:
        if cloud.home.exists():
            cloud.launcher("stop", "--purge", "--grace", "0", check=False)
        shutil.rmtree(directory, ignore_errors=True)


def measure_in_cloud(options):
    cloud = Cloud()
    try:
        with directories(cloud, options):
            return measure_with(cloud, options)
    finally:
        cloud.forget()


def measure(options):
    """{name: (rows, notes)} of all that is asked for."""
    rest = argparse.Namespace(**{**vars(options), "names": [n for n in options.names if n not in ("disk", "billing", "storage", *ALONE)]})
    found = measure_in_cloud(rest) if rest.names else {}
    if "disk" in options.names:
        found.update(measure_in_cloud(argparse.Namespace(**{**vars(options), "names": ["disk"]})))
    for name, (words, module) in ALONE.items():
        if name in options.names:
            say(words)
            found[name] = module.measure()
    if "storage" in options.names:
        say("snapshots, volumes of them, and long chains")
        with tempfile.TemporaryDirectory(prefix="mcbench", dir="/tmp") as directory:
            found["storage"] = storage.measure(pathlib.Path(directory))
    if "billing" in options.names:
        say("a month of a million usage records")
        found["billing"] = billing.measure()
    return found
