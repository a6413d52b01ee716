"""Bills of real instances."""

import base64
import datetime
import decimal
import functools
import hashlib
import json
import pathlib
import re
import sqlite3

import pytest

from cloud import BOOT_S, OTHER_REGION, SHORT_S, run, wait_until

D = decimal.Decimal
CPU_GROUPS = pathlib.Path("/sys/fs/cgroup/cpu/machine")


def of_one_day(test):
    """Of what is cut at midnight, UTC: it is tried again where that came in between."""
    @functools.wraps(test)
    def it(*arguments, **keywords):
        while True:
            today = datetime.datetime.now(datetime.timezone.utc).date()
            try:
                return test(*arguments, **keywords)
            except AssertionError:
                if datetime.datetime.now(datetime.timezone.utc).date() == today:
                    raise
    return it


def test_instances_that_run_are_billed(cloud, pair):
    now = datetime.datetime.now(datetime.timezone.utc)
    just_begun = now - now.replace(day=1, hour=0, minute=0, second=0) < datetime.timedelta(minutes=2)
    bill = json.loads(cloud.minicloud("bill", "--by", "resource", "--output", "json").stdout)
    costs = {g["key"]: g for g in bill["groups"]}
    for guest in pair:
        # A minute of a t3.nano at least, at its rate while it runs; of this month.
        assert just_begun or D(costs[guest.id]["cost"]) >= D("0.0052") / 60 - D("0.000000001")
        assert costs[guest.id]["open"] and D(costs[guest.id]["rate"]) == D("0.0052")
    assert sum(D(g["cost"]) for g in bill["groups"]) == D(bill["total"])


def test_estimate_launches_nothing(cloud, pair):  # pylint: disable=unused-argument
    def shown():
        return {i["InstanceId"] for r in cloud.client().describe_instances()["Reservations"] for i in r["Instances"]}
    before = shown()
    text = cloud.minicloud("run-instances", "--image-id", cloud.tiny_image(), "--instance-type", "m5.large", "--count", "2", "--estimate",
                           "--output", "json").stdout
    estimate = json.loads(text)
    boxes = [line for line in estimate["lines"] if line["usage_type"] == "BoxUsage:m5.large"]
    assert len(boxes) == 2 and {line["hour"] for line in boxes} == {"0.096000000"} and boxes[0]["month"] == "70.080000000"
    assert {line["kind"] for line in estimate["lines"]} >= {"instance", "volume"}
    assert not shown() - before
    refused = cloud.minicloud("run-instances", "--image-id", "ami-0123456789abcdef0", "--instance-type", "m5.large", "--estimate", check=False)
    assert refused.returncode != 0 and re.search(r"does not exist", refused.stderr)


BLOCK = 524288


def upload(cloud, blocks, **more):
    """A snapshot of 1 GiB with these blocks, {index: byte}, written by the EBS direct APIs."""
    ebs = cloud.client("ebs")
    snapshot = ebs.start_snapshot(VolumeSize=1, **more)["SnapshotId"]
    for index, byte in blocks.items():
        data = bytes([byte]) * BLOCK
        ebs.put_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=BLOCK, ChecksumAlgorithm="SHA256",
                               Checksum=base64.b64encode(hashlib.sha256(data).digest()).decode())
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=len(blocks))
    wait_until(f"{snapshot} is completed", lambda: cloud.client().describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "completed",
               SHORT_S)
    return snapshot


def billed(cloud, snapshot):
    """The blocks that are open for it, and since when; (0, None): it costs nothing."""
    with sqlite3.connect(cloud.home / "api" / "minicloud.db") as db:
        rows = db.execute("SELECT l.quantity, o.label FROM usage_open o JOIN usage_line l ON l.id = o.line WHERE o.resource = ?", (snapshot,)).fetchall()
    ((quantity, since),) = rows or ((0, None),)
    return quantity / BLOCK, since


def delete_billed(cloud, snapshot):
    """The moment at which its last record ends."""
    cloud.client().delete_snapshot(SnapshotId=snapshot)
    wait_until("nothing runs for the deleted one", lambda: billed(cloud, snapshot)[1] is None, SHORT_S)
    with sqlite3.connect(cloud.home / "api" / "minicloud.db") as db:
        return db.execute("SELECT MAX(r.label + r.ns) FROM usage_record r JOIN usage_line l ON l.id = r.line WHERE l.resource = ?", (snapshot,)).fetchone()[0]


@of_one_day
def test_a_deleted_snapshots_blocks_are_the_next_ones(cloud):
    """What others still show of it is billed to them from the very moment that its own record ends: each block once, first to the
    oldest of two branches. A copy costs nothing as long as there is what it was copied from, and everything in another region."""
    ec2 = cloud.client()
    first = upload(cloud, {0: 1, 1: 1, 2: 1, 3: 1})
    older = upload(cloud, {3: 2}, ParentSnapshotId=first)
    newer = upload(cloud, {2: 3}, ParentSnapshotId=first)
    wait_until("all are billed", lambda: [billed(cloud, s)[0] for s in (first, older, newer)] == [4, 1, 1], SHORT_S)
    ended = delete_billed(cloud, first)
    assert billed(cloud, older) == (1 + 3, ended), "the fourth was overwritten"
    assert billed(cloud, newer) == (1 + 1, ended), "the fourth"
    copy = ec2.copy_snapshot(SourceSnapshotId=older, SourceRegion=ec2.meta.region_name)["SnapshotId"]
    far = cloud.client(region=OTHER_REGION)
    away = far.copy_snapshot(SourceSnapshotId=older, SourceRegion=ec2.meta.region_name)["SnapshotId"]
    for client, snapshot in ((ec2, copy), (far, away)):
        wait_until("it is copied", lambda c=client, s=snapshot: c.describe_snapshots(SnapshotIds=[s])["Snapshots"][0]["State"] == "completed", SHORT_S)
    wait_until("the copy far away is billed", lambda: billed(cloud, away)[0] == 4, SHORT_S)
    assert billed(cloud, copy) == (0, None)
    ended = delete_billed(cloud, older)
    assert billed(cloud, newer) == (2 + 2, ended) and billed(cloud, copy) == (2, ended), "the first two; the third, and its fourth"
    ended = delete_billed(cloud, newer)
    assert billed(cloud, copy) == (4, ended)
    assert delete_billed(cloud, copy) and billed(cloud, away)[0] == 4
    far.delete_snapshot(SnapshotId=away)


def look(cloud):
    """Have the instances looked at once more; what waits for it is done by then or at the next."""
    run("curl", "-sS", "--unix-socket", cloud.run / "minicloud.sock", "http://d/metrics")


def test_without_credits_at_the_baseline(cloud, pair):
    """A t3.nano that has used up what it had is slowed down by the kernel in standard mode, and not in unlimited mode."""
    guest, ec2 = pair[0], cloud.client()
    # A group of a QEMU that was killed stays behind, empty.
    groups = [g for g in CPU_GROUPS.glob(f"qemu-*-{guest.id}.libvirt-qemu") if (g / "vcpu0" / "tasks").read_text(encoding="ascii")]
    if not CPU_GROUPS.is_dir():
        pytest.skip("SKIPPED LOUDLY: no control groups of version 1 here, the baseline is not tried")
    (group,) = groups

    def state():
        quota = int((group / "vcpu0" / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (group / "vcpu0" / "cpu.stat").read_text(encoding="ascii").splitlines())
        return quota, int(stat["nr_throttled"])

    def mode(name):
        answer = ec2.modify_instance_credit_specification(InstanceCreditSpecifications=[{"InstanceId": guest.id, "CpuCredits": name}])
        assert answer["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": guest.id}]
        shown = ec2.describe_instance_credit_specifications(InstanceIds=[guest.id])["InstanceCreditSpecifications"]
        assert [s["CpuCredits"] for s in shown] == [name]

    busy = guest.ssh("for n in 1 2; do (while :; do :; done) </dev/null >/dev/null 2>&1 & echo $!; done").split()
    try:
        mode("standard")
        # What it has is used up by the processor seconds that it gets: few, on a busy machine. The last
        # of it is dealt out in ever smaller parts, so that the baseline of 5000 is neared more than met.
        wait_until("it is near its baseline", lambda: (look(cloud), 5000 <= state()[0] < 15000)[1], 4 * BOOT_S)
        before = state()[1]
        wait_until("the kernel holds it back", lambda: state()[1] > before + 10, BOOT_S)
    finally:
        mode("unlimited")
        wait_until("it is free again", lambda: (look(cloud), state()[0] == -1)[1], BOOT_S)
        guest.ssh(f"kill {' '.join(busy)}")
