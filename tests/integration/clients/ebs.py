"""The EBS direct APIs: scenes, and what AWS's answers always have. The snapshots are EC2's."""

import base64
import hashlib
import os
import tempfile

from steps import service

SERVICE = "ebs"
ROOMS = ("ebs",)
BLOCK = 512 * 1024
DIRECTORY = tempfile.TemporaryDirectory(prefix="blocks")

call, _ = service(SERVICE)
ec2, ec2_wait = service("ec2")


def checksum(*blocks):
    """Of a block, and of all of a snapshot's."""
    digests = [hashlib.sha256(block.encode()).digest() for block in blocks]
    return base64.b64encode(digests[0] if len(blocks) == 1 else hashlib.sha256(b"".join(digests)).digest()).decode()


def put(snapshot, index, byte):
    """The CLI takes the block from a file."""
    params = {"SnapshotId": snapshot, "BlockIndex": index, "BlockData": byte * BLOCK, "DataLength": BLOCK,
              "Checksum": checksum(byte * BLOCK), "ChecksumAlgorithm": "SHA256"}
    path = os.path.join(DIRECTORY.name, f"{index}-{byte}")
    with open(path, "w", encoding="ascii") as file:
        file.write(params["BlockData"])
    return call("PutSnapshotBlock", params, see={"Checksum": params["Checksum"]}, cli=[
        "--snapshot-id", snapshot, "--block-index", str(index), "--data-length", str(BLOCK), "--checksum", params["Checksum"],
        "--checksum-algorithm", "SHA256", "--block-data", path])


SNAPSHOT = {"SnapshotId": "$snapshot"}
DIGEST_OF_ONE = base64.b64encode(hashlib.sha256(hashlib.sha256(b"a" * BLOCK).digest()).digest()).decode()
READ = {**SNAPSHOT, "BlockIndex": 0, "BlockToken": "$token"}
READ_CLI = ["--snapshot-id", "$snapshot", "--block-index", "0", "--block-token", "$token", os.devnull]


def complete(snapshot, n, total):
    return [call("CompleteSnapshot", {"SnapshotId": snapshot, "ChangedBlocksCount": n, "Checksum": total, "ChecksumAlgorithm": "SHA256",
                                      "ChecksumAggregationMethod": "LINEAR"}),
            ec2_wait("snapshot_completed", {"SnapshotIds": [snapshot]})]


BLOCKS = [
    call("StartSnapshot", {"VolumeSize": 1, "Description": "walk", "Tags": [{"Key": "walk", "Value": "yes"}]}, snapshot="SnapshotId",
         see={"Status": "pending", "BlockSize": BLOCK, "VolumeSize": 1}),
    put("$snapshot", 0, "a"), put("$snapshot", 7, "b"),
    *complete("$snapshot", 2, checksum("a" * BLOCK, "b" * BLOCK)),
    call("ListSnapshotBlocks", SNAPSHOT, see={"Blocks[].BlockIndex": [0, 7], "BlockSize": BLOCK, "VolumeSize": 1}, query="Blocks[].BlockIndex"),
    call("ListSnapshotBlocks", SNAPSHOT, token="Blocks[0].BlockToken"),
    call("GetSnapshotBlock", READ, see={"Checksum": checksum("a" * BLOCK), "DataLength": BLOCK}, cli=READ_CLI),
    call("GetSnapshotBlock", {**READ, "BlockIndex": 1}, fails="ValidationException",
         cli=[w if w != "0" else "1" for w in READ_CLI]),
    call("StartSnapshot", {"VolumeSize": 1, "ParentSnapshotId": "$snapshot"}, child="SnapshotId", see={"ParentSnapshotId": "$snapshot"}),
    put("$child", 0, "a"),
    *complete("$child", 1, DIGEST_OF_ONE),
    call("ListChangedBlocks", {"FirstSnapshotId": "$snapshot", "SecondSnapshotId": "$child"}, query="ChangedBlocks[].BlockIndex"),
    ec2("DeleteSnapshot", {"SnapshotId": "$child"}),
    ec2("DeleteSnapshot", SNAPSHOT),
    call("ListSnapshotBlocks", SNAPSHOT, fails="ResourceNotFoundException"),
]

SCENES = {"blocks": BLOCKS}
GUESTS = set()
NEWER = set()

# What AWS's answers have whatever is asked: the members in all of the examples that the AWS CLI comes with.
PRESENT = {
    "StartSnapshotResponse": ["SnapshotId", "OwnerId", "Status", "StartTime", "VolumeSize", "BlockSize"],
    "ListSnapshotBlocksResponse": ["Blocks", "ExpiryTime", "VolumeSize", "BlockSize"],
    "ListChangedBlocksResponse": ["ChangedBlocks", "ExpiryTime", "VolumeSize", "BlockSize"],
    "Block": ["BlockIndex", "BlockToken"],
    "CompleteSnapshotResponse": ["Status"],
}

# Which of the provider's resources, data sources (data.) or the provider itself calls it; "-": none does, and why.
TERRAFORM = {name: "-: the provider has nothing of it" for name in (
    "CompleteSnapshot", "GetSnapshotBlock", "ListChangedBlocks", "ListSnapshotBlocks", "PutSnapshotBlock", "StartSnapshot")}
FILTERED, REFUSED_FILTERS = [], {}
