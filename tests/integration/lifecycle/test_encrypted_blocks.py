"""EBS direct APIs with encryption: written and read by block, and nothing of it in clear in the store."""

import base64
import contextlib
import hashlib

from cloud import wait_until
from daemons import WAIT_S

BLOCK = 512 * 1024
SECRET = b"the plain text that nobody may find."


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def write(pair, blocks, **more):
    ebs = pair.client("ebs")
    snapshot = ebs.start_snapshot(VolumeSize=1, **more)["SnapshotId"]
    for index, data in blocks.items():
        ebs.put_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=len(data), Checksum=checksum(data),
                               ChecksumAlgorithm="SHA256")
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=len(blocks))
    wait_until("it is completed", lambda: pair.shown(snapshot)[0]["State"] == "completed", WAIT_S)
    return snapshot


def read(pair, snapshot):
    ebs = pair.client("ebs")
    return {b["BlockIndex"]: ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=b["BlockIndex"], BlockToken=b["BlockToken"])[
        "BlockData"].read() for b in ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]}


def in_clear(pair):
    def has(path):
        with contextlib.suppress(FileNotFoundError):  # it has just gone
            return SECRET in path.read_bytes()
    return any(has(path) for path in (pair.home / "store").rglob("*") if path.is_file())


def test_encrypted_blocks(pair):
    text = (SECRET * (BLOCK // len(SECRET) + 1))[:BLOCK]
    first = write(pair, {0: text, 9: bytes(BLOCK)}, Encrypted=True)
    assert pair.shown(first)[0]["Encrypted"] and pair.shown(first)[0]["KmsKeyId"]
    assert read(pair, first) == {0: text, 9: bytes(BLOCK)}
    second = write(pair, {9: text}, ParentSnapshotId=first)
    assert pair.shown(second)[0]["Encrypted"]
    assert read(pair, second) == {0: text, 9: text}
    differ = pair.client("ebs").list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)["ChangedBlocks"]
    assert [b["BlockIndex"] for b in differ] == [9]
    assert not in_clear(pair)
    write(pair, {0: text})
    assert in_clear(pair), "the search finds what is there"
