"""One cloud for all measurements of a run."""

import pathlib
import shutil
import tempfile

import describe
import launch
import memory
from cloud import Cloud


def say(text):
    print(f"bench: {text}", flush=True)


def stop_one(bench, guest):
    bench.ec2.stop_instances(InstanceIds=[guest.id], Force=True)
    bench.cloud.wait_state(guest.id, "stopped")


def measure_guests(bench, options, rows, notes):
    """The launches; how many guests run at their end, and these."""
    if "launch" in options.names:
        say(f"one instance, {options.repeats} times, in turn with bare QEMU")
        rows.append(bench.one(options.repeats))
        say(f"{options.guests} at once, in turn with bare QEMU")
        guests, row = bench.many(options.guests)
        rows.append(row)
    else:
        guests = bench.launch(options.guests if "memory" in options.names else 1)
        for guest in guests:
            bench.cloud.wait_state(guest.id, "running")
    if "memory" in options.names:
        row, note = memory.row(bench.cloud, len(guests))
        rows.append(row)
        notes.append(note)
    return guests


def measure_all(cloud, directory, options):
    rows, notes = [], []
    bench = launch.Bench(cloud, directory)
    try:
        guests = measure_guests(bench, options, rows, notes)
        if "describe" in options.names:
            if guests[1:]:
                bench.terminate(guests[1:])
            stop_one(bench, guests[0])
            say("many stored instances, in turn with moto")
            more, more_notes = describe.measure(cloud, guests[0].id, directory)
            rows += more
            notes += more_notes
    finally:
        bench.close()
    return rows, notes


def measure(options):
    """The rows and the notes of all that is asked for."""
    cloud = Cloud()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mcbench", dir="/tmp"))
    try:
        say("starting a cloud")
        cloud.start()
        return measure_all(cloud, directory, options)
    finally:
        if cloud.home.exists():
            cloud.launcher("stop", "--purge", "--grace", "0", check=False)
        cloud.forget()
        shutil.rmtree(directory, ignore_errors=True)
