"""EBS direct APIs with unmodified clients: snapshots read and written block by block, and what a
guest finds on a volume made of them."""

import base64
import concurrent.futures
import hashlib
import random

import pytest

from cloud import SHORT_S, error_of, wait_until
from test_3_snapshots import wait_snapshot
from test_3_volumes import serial, wait_attached, wait_gone, wait_seen, wait_volume

BLOCK = 512 * 1024
PER_GIB = 2048


@pytest.fixture(scope="module")
def ebs(cloud):
    return cloud.client("ebs")


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(ebs, snapshot, index, data, **more):
    return ebs.put_snapshot_block(**{"SnapshotId": snapshot, "BlockIndex": index, "BlockData": data, "DataLength": len(data),
                                     "Checksum": checksum(data), "ChecksumAlgorithm": "SHA256", **more})


def complete(ebs, snapshot, blocks):
    total = b"".join(hashlib.sha256(blocks[i]).digest() for i in sorted(blocks))
    return ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=len(blocks), Checksum=checksum(total),
                                 ChecksumAlgorithm="SHA256", ChecksumAggregationMethod="LINEAR")


def write(ebs, ec2, blocks, size=1, **more):
    """A completed snapshot of these blocks."""
    snapshot = ebs.start_snapshot(VolumeSize=size, **more)["SnapshotId"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: put(ebs, snapshot, *item), blocks.items()))
    complete(ebs, snapshot, blocks)
    wait_snapshot(ec2, snapshot)
    return snapshot


def get(ebs, snapshot, block, token="BlockToken"):
    answer = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=block["BlockIndex"], BlockToken=block[token])
    data = answer["BlockData"].read()
    assert answer["DataLength"] == len(data) == BLOCK and answer["ChecksumAlgorithm"] == "SHA256"
    assert answer["Checksum"] == checksum(data)
    return data


def check_blocks(ebs, snapshot, blocks):
    """It has these, listed in as many pages as there are; of many only some are read."""
    found = {}
    for page in pages(ebs.list_snapshot_blocks, SnapshotId=snapshot, MaxResults=100):
        assert page["BlockSize"] == BLOCK and page["ExpiryTime"].tzinfo
        found.update({block["BlockIndex"]: block for block in page["Blocks"]})
    assert sorted(found) == sorted(blocks)
    for index in sorted(blocks)[::max(1, len(blocks) // 8)]:
        assert get(ebs, snapshot, found[index]) == blocks[index]


def pages(call, **arguments):
    while True:
        answer = call(**arguments)
        yield answer
        if "NextToken" not in answer:
            return
        arguments["NextToken"] = answer["NextToken"]


def changed(ebs, **arguments):
    return [b for page in pages(ebs.list_changed_blocks, **arguments) for b in page["ChangedBlocks"]]


def test_written_blocks_read_back(ebs, ec2, cloud):
    """Blocks at both ends, a second snapshot on the first, what differs, in pages."""
    blocks = {i: random.randbytes(BLOCK) for i in (0, 7, PER_GIB - 1)}
    tags = [{"Key": "Name", "Value": "direct"}]
    started = ebs.start_snapshot(VolumeSize=1, Description="by block", Tags=tags, ClientToken="direct-1")
    first = started["SnapshotId"]
    assert started["Status"] == "pending" and started["BlockSize"] == BLOCK and started["Tags"] == tags
    assert ebs.start_snapshot(VolumeSize=1, Description="by block", Tags=tags, ClientToken="direct-1")["SnapshotId"] == first
    assert error_of(ebs.start_snapshot, VolumeSize=2, ClientToken="direct-1")[:2] == ("ConflictException", 409)
    assert error_of(ebs.list_snapshot_blocks, SnapshotId=first)[:2] == ("ResourceNotFoundException", 404)
    for n, (index, data) in enumerate(blocks.items()):
        assert put(ebs, first, index, data, Progress=30 * (n + 1))["Checksum"] == checksum(data)
    put(ebs, first, 7, blocks[7])  # again: the same block, once
    shown = ec2.describe_snapshots(SnapshotIds=[first])["Snapshots"][0]
    assert (shown["State"], shown["Progress"], shown["VolumeId"], shown["VolumeSize"]) == ("pending", "90%", "vol-ffffffff", 1)
    assert error_of(ebs.complete_snapshot, SnapshotId=first, ChangedBlocksCount=2)[0] == "ValidationException"
    assert error_of(ebs.complete_snapshot, SnapshotId=first, ChangedBlocksCount=3, Checksum=checksum(b""),
                    ChecksumAlgorithm="SHA256", ChecksumAggregationMethod="LINEAR")[0] == "ValidationException"
    assert complete(ebs, first, blocks)["Status"] in ("completed", "pending")
    assert wait_snapshot(ec2, first)["Tags"] == tags
    assert error_of(put, ebs, first, 1, blocks[0])[0] == "ValidationException"
    check_blocks(ebs, first, blocks)

    more = {7: random.randbytes(BLOCK), **{i: bytes([i % 256]) * BLOCK for i in range(200, 300)}, PER_GIB + 5: random.randbytes(BLOCK)}
    second = write(ebs, ec2, more, size=2, ParentSnapshotId=first)
    check_blocks(ebs, second, {**blocks, **more})
    check_blocks(ebs, first, blocks)
    differ = changed(ebs, FirstSnapshotId=first, SecondSnapshotId=second, MaxResults=100)
    assert [b["BlockIndex"] for b in differ] == sorted(more)
    assert [b["BlockIndex"] for b in differ if "FirstBlockToken" in b] == [7]
    assert get(ebs, second, differ[0], "SecondBlockToken") == more[7]
    assert get(ebs, first, differ[0], "FirstBlockToken") == blocks[7]
    assert [b["BlockIndex"] for b in changed(ebs, FirstSnapshotId=first, SecondSnapshotId=second, StartingBlockIndex=300)] == \
        [i for i in sorted(more) if i >= 300]
    # The parent goes; what stands on it stays whole.
    ec2.delete_snapshot(SnapshotId=first)
    wait_until("storaged has it no more", lambda: first not in {
        s["id"] for s in cloud.socket_call("storaged", "GET", "/v1/snapshots")[1]["snapshots"]}, SHORT_S)
    check_blocks(ebs, second, {**blocks, **more})
    ec2.delete_snapshot(SnapshotId=second)


def test_a_guest_and_the_blocks(ebs, ec2, pair):
    """A guest reads on a volume what was written by block; what it writes are the changed blocks."""
    guest = pair[1]
    blocks = {3: random.randbytes(BLOCK), 100: random.randbytes(BLOCK)}
    first = write(ebs, ec2, blocks)
    volume = ec2.create_volume(AvailabilityZone=guest.described["Placement"]["AvailabilityZone"], SnapshotId=first)["VolumeId"]
    wait_volume(ec2, volume, "available")
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdk")
    wait_attached(ec2, volume)
    wait_seen(guest, volume)
    for index, data in blocks.items():
        read = guest.ssh(f"sudo dd if={serial(volume)} bs={BLOCK} skip={index} count=1 2>/dev/null | sha256sum").split()[0]
        assert read == hashlib.sha256(data).hexdigest()
    guest.ssh(f"yes minicloud | head -c {BLOCK} | sudo dd of={serial(volume)} bs={BLOCK} seek=100 conv=notrunc,fsync 2>/dev/null;"
              f"echo one | sudo dd of={serial(volume)} bs=4096 seek={1000 * (BLOCK // 4096)} conv=notrunc,fsync 2>/dev/null")
    second = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    wait_snapshot(ec2, second)
    differ = changed(ebs, FirstSnapshotId=first, SecondSnapshotId=second)
    assert [b["BlockIndex"] for b in differ] == [100, 1000]
    text = (b"minicloud\n" * (BLOCK // 10 + 1))[:BLOCK]
    assert get(ebs, second, differ[0], "SecondBlockToken") == text
    assert get(ebs, second, differ[1], "SecondBlockToken") == b"one\n" + bytes(BLOCK - 4)
    check_blocks(ebs, first, blocks)
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    ec2.delete_volume(VolumeId=volume)
    for snapshot in (first, second):
        ec2.delete_snapshot(SnapshotId=snapshot)
    wait_gone(ec2, volume)


def test_by_the_cli(cloud, ec2, aws_program):
    """The whole way with the AWS CLI; an upload that is given up leaves nothing."""
    def aws(*words):
        return cloud.aws(*words, program=aws_program)
    data, out = cloud.own / "block", cloud.own / "block-back"
    data.write_bytes(random.randbytes(BLOCK))
    snapshot = aws("ebs", "start-snapshot", "--volume-size", "1", "--description", "cli")["SnapshotId"]
    words = ["--snapshot-id", snapshot, "--block-index", "5"]
    hashed = checksum(data.read_bytes())
    assert aws("ebs", "put-snapshot-block", *words, "--block-data", str(data), "--data-length", str(BLOCK), "--checksum", hashed,
               "--checksum-algorithm", "SHA256")["Checksum"] == hashed
    aws("ebs", "complete-snapshot", "--snapshot-id", snapshot, "--changed-blocks-count", "1")
    wait_snapshot(ec2, snapshot)
    block = aws("ebs", "list-snapshot-blocks", "--snapshot-id", snapshot)["Blocks"]
    assert [b["BlockIndex"] for b in block] == [5]
    aws("ebs", "get-snapshot-block", *words, "--block-token", block[0]["BlockToken"], str(out))
    assert out.read_bytes() == data.read_bytes()
    ec2.delete_snapshot(SnapshotId=snapshot)
    wait_until("storaged has it no more", lambda: snapshot not in {
        s["id"] for s in cloud.socket_call("storaged", "GET", "/v1/snapshots")[1]["snapshots"]}, SHORT_S)
    given_up = aws("ebs", "start-snapshot", "--volume-size", "1")["SnapshotId"]
    def volumes():
        return {v["id"] for v in cloud.socket_call("storaged", "GET", "/v1/volumes")[1]["volumes"]}
    shown = {v["VolumeId"] for region in ("us-east-1", "eu-west-1") for v in cloud.client(region=region).describe_volumes()["Volumes"]}
    hidden = volumes() - shown
    assert hidden
    ec2.delete_snapshot(SnapshotId=given_up)
    wait_until("its volume is gone", lambda: not hidden & volumes(), SHORT_S)


def test_refusals(ebs, ec2):
    """AWS's codes, statuses and reasons."""
    def why(call, *arguments, **keywords):
        try:
            call(*arguments, **keywords)
        except ebs.exceptions.ClientError as e:
            return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"], e.response.get("Reason")
        raise AssertionError("it was not refused")
    unknown = "snap-0123456789abcdef0"
    assert why(ebs.list_snapshot_blocks, SnapshotId=unknown) == ("ResourceNotFoundException", 404, "SNAPSHOT_NOT_FOUND")
    assert why(ebs.list_snapshot_blocks, SnapshotId="snap-xyz") == ("ValidationException", 400, "INVALID_SNAPSHOT_ID")
    assert why(ebs.list_snapshot_blocks, SnapshotId=unknown, MaxResults=10001)[:2] == ("ValidationException", 400)
    assert why(ebs.start_snapshot, VolumeSize=70000)[2] == "INVALID_VOLUME_SIZE"
    assert why(ebs.start_snapshot, VolumeSize=1, ParentSnapshotId=unknown)[2] == "SNAPSHOT_NOT_FOUND"
    assert why(ebs.start_snapshot, VolumeSize=1, Tags=[{"Key": "aws:x", "Value": ""}])[2] == "INVALID_TAG"
    data = bytes(BLOCK)
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    assert why(put, ebs, snapshot, PER_GIB, data)[2] == "INVALID_BLOCK"
    assert why(put, ebs, snapshot, 0, data[:-1])[2] == "INVALID_BLOCK"
    assert why(put, ebs, snapshot, 0, data, Checksum=checksum(b"x"))[2] == "INVALID_BLOCK"
    put(ebs, snapshot, 0, data)
    complete(ebs, snapshot, {0: data})
    wait_snapshot(ec2, snapshot)
    block = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"][0]
    assert get(ebs, snapshot, block) == data  # zeros that were written are data
    assert why(ebs.get_snapshot_block, SnapshotId=snapshot, BlockIndex=1, BlockToken=block["BlockToken"])[2] == "INVALID_BLOCK_TOKEN"
    assert why(ebs.get_snapshot_block, SnapshotId=snapshot, BlockIndex=0, BlockToken="AAAA")[2] == "INVALID_BLOCK_TOKEN"
    assert why(ebs.list_snapshot_blocks, SnapshotId=snapshot, NextToken=block["BlockToken"])[2] == "INVALID_PAGE_TOKEN"
    other = write(ebs, ec2, {1: data})
    assert why(ebs.list_changed_blocks, FirstSnapshotId=other, SecondSnapshotId=snapshot)[2] == "UNRELATED_SNAPSHOTS"
    for one in (snapshot, other):
        ec2.delete_snapshot(SnapshotId=one)
