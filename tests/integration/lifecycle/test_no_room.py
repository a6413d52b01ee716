"""A store without room: what is asked for ends in the state `error`, what is there stays, and deleting works."""

import os
import subprocess

import pytest

from cloud import error_of, run, wait_until
from daemons import WAIT_S, Pair

SIZE_MIB = 64  # of which 2 % are kept in reserve


@pytest.fixture
def cramped():
    """With a store on a file system of a fixed size."""
    it = Pair()
    store = it.home / "store"
    of = store.stat()
    run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}M,mode={of.st_mode & 0o7777:o},uid={of.st_uid},gid={of.st_gid}", "none", store)
    try:
        it.start()
        yield it
    finally:
        if it.running:
            it.stop()
        subprocess.run(["umount", "--lazy", store], check=False)
        it.close()


def fill(store):
    """Less than the reserve is free."""
    space = os.statvfs(store)
    path = store / "filler"
    with path.open("wb") as f:
        os.posix_fallocate(f.fileno(), 0, (space.f_bavail - space.f_blocks // 100) * space.f_frsize)
    return path


def test_error(cramped):
    ec2 = cramped.client("ec2")

    def state(volume):
        return ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"]

    def ends_in(what, thing, wanted, answer):
        wait_until(f"{thing} is {wanted}", lambda: answer(thing) not in ("creating", "pending"), WAIT_S)
        assert answer(thing) == wanted, what

    def state_of_snapshot(snapshot):
        return cramped.shown(snapshot)[0]["State"]
    volume = cramped.volume()
    snapshot = cramped.snapshot(volume)
    filler = fill(cramped.home / "store")
    failed = [ec2.create_volume(AvailabilityZone="us-east-1a", **what)["VolumeId"] for what in ({"Size": 1}, {"SnapshotId": snapshot})]
    for made in failed:
        ends_in("a volume", made, "error", state)
    found = ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["error"]}])["Volumes"]
    assert {v["VolumeId"] for v in found} == set(failed)
    assert error_of(ec2.create_snapshot, VolumeId=failed[0])[0] == "IncorrectState"
    assert error_of(ec2.modify_volume, VolumeId=failed[0], Size=2)[0] == "IncorrectState"
    untaken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ends_in("a snapshot", untaken, "error", state_of_snapshot)
    assert cramped.shown(untaken)[0]["StateMessage"]
    assert error_of(ec2.create_volume, AvailabilityZone="us-east-1a", SnapshotId=untaken)[0] == "IncorrectState"
    assert state(volume) == "available" and state_of_snapshot(snapshot) == "completed"
    for made in failed:
        ec2.delete_volume(VolumeId=made)
    ec2.delete_snapshot(SnapshotId=untaken)
    wait_until("they are gone", lambda: {v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]} == {volume}, WAIT_S)
    assert [s["SnapshotId"] for s in cramped.shown()] == [snapshot]
    filler.unlink()
    again = ec2.create_volume(AvailabilityZone="us-east-1a", SnapshotId=snapshot)["VolumeId"]
    ends_in("a volume", again, "available", state)
