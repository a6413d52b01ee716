"""Volumes that several QEMUs share: raw files, made, grown, copied into snapshots and made of them."""

import json
import os
import shutil
import subprocess

import pytest

from storaged_daemon import PATIENCE_S, Storaged
from test_encryption import KEY, OTHER, SNAP, THIRD, VOL, key_of, make, qemu_io

QEMUS = ("i-0123456789abcdef0", "i-0123456789abcdef1")

# Gibibytes of zeros are encrypted: `make shared-volumes`.
long_one = pytest.mark.skipif("MINICLOUD_LONG" not in os.environ, reason="only make shared-volumes")


def io(answer, *commands):
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "-f", "raw", *words, answer["path"]], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0 and "verification failed" not in done.stdout, done.stdout + done.stderr


def opened(storaged, volume):
    for qemu in QEMUS:
        status, answer = storaged.call("POST", f"volumes/{volume}/open", {"opener": qemu})
        assert status == 200, answer
    return answer


def closed(storaged, volume):
    for qemu in QEMUS:
        assert storaged.call("POST", f"volumes/{volume}/close", {"opener": qemu})[0] == 200


def clones(directory):
    """Can this file system?"""
    (directory / "one").write_bytes(b"x" * 4096)
    return subprocess.run(["cp", "--reflink=always", directory / "one", directory / "two"], check=False, capture_output=True).returncode == 0


def test_life(storaged, tmp_path):
    """Raw while it is shared; a snapshot is a copy, of which volumes of either kind are made."""
    made = make(storaged, VOL, shared=True)
    assert made["format"] == "raw" and made["shared"] and made["backing"] == [] and made["path"].endswith(".raw")
    assert make(storaged, VOL, shared=True) == made
    answer = opened(storaged, VOL)
    assert answer["opened_by"] == list(QEMUS)
    io(answer, "write -P 1 0 1M", "write -P 2 1023M 1M")
    assert clones(tmp_path) or storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 501
    closed(storaged, VOL)
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    assert storaged.call("POST", f"volumes/{VOL}/grow", {"size_gib": 2})[1]["size_gib"] == 2
    answer = opened(storaged, VOL)
    io(answer, "read -P 1 0 1M", "read -P 2 1023M 1M", "read -P 0 1024M 1M", "write -P 3 2047M 1M", "write -P 4 0 1M")
    closed(storaged, VOL)
    alone = make(storaged, OTHER, snapshot=SNAP)
    assert alone["format"] == "qcow2"
    qemu_io(storaged, OTHER, "read -P 1 0 1M", "read -P 2 1023M 1M")
    make(storaged, THIRD, snapshot=SNAP, shared=True)
    io(opened(storaged, THIRD), "read -P 1 0 1M", "read -P 0 1M 1M", "read -P 2 1023M 1M")
    closed(storaged, THIRD)
    assert storaged.check() == (0, "0 findings\n")
    storaged.kill()
    storaged.start()
    assert storaged.check() == (0, "0 findings\n")
    for name in (f"volumes/{VOL}", f"volumes/{OTHER}", f"volumes/{THIRD}", f"snapshots/{SNAP}"):
        assert storaged.call("DELETE", name)[0] == 200
    assert storaged.files == set()


def tool(storaged, program, answer, *words):
    """On an encrypted one that is open, as its QEMUs have it."""
    node = {"driver": "luks", "key-secret": "k", "file": {"driver": "file", "filename": answer["path"]}}
    read, write = os.pipe()
    os.write(write, key_of(storaged, answer["id"]))
    os.close(write)
    try:
        done = subprocess.run([*program, "--object", f"secret,id=k,file=/dev/fd/{read}", *(w or "json:" + json.dumps(node) for w in words)],
                              pass_fds=[read], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    finally:
        os.close(read)
    assert done.returncode == 0 and "verification failed" not in done.stdout, done.stdout + done.stderr


def sealed_io(storaged, answer, *commands):
    tool(storaged, ["qemu-io"], answer, *[word for command in commands for word in ("-c", command)], None)


@long_one
def test_encrypted(storaged, tmp_path):
    """What was never written reads as zeros; nothing of what was written is on the disk in clear."""
    made = make(storaged, VOL, shared=True, kms_key=KEY)
    assert made["format"] == "raw" and made["shared"] and made["key"] and made["path"].endswith(".raw")
    answer = opened(storaged, VOL)
    sealed_io(storaged, answer, "read -P 0 0 64M", "read -P 0 992M 32M", "write -P 0x5a 1M 64k")
    with open(answer["path"], "rb") as raw:
        assert b"\x5a" * 32 not in raw.read(8 << 20)
    assert clones(tmp_path) or storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 501
    closed(storaged, VOL)
    status, taken = storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})
    assert status == 200 and taken["bytes"] < 8 << 20, "no zeros are copied"
    alone = make(storaged, OTHER, snapshot=SNAP)
    assert alone["format"] == "qcow2" and alone["key"] == made["key"]
    qemu_io(storaged, OTHER, "read -P 0x5a 1M 64k", "read -P 0 2M 62M")
    assert storaged.check() == (0, "0 findings\n")
    for name in (f"volumes/{VOL}", f"volumes/{OTHER}", f"snapshots/{SNAP}"):
        assert storaged.call("DELETE", name)[0] == 200
    assert storaged.files == set()


@long_one
@pytest.mark.parametrize("in_use", [True, False])
def test_encrypted_grows(storaged, in_use):
    """In use, storaged has written the zeros before the QEMUs are told; whatever was interrupted is done again."""
    make(storaged, VOL, shared=True, kms_key=KEY)
    answer = opened(storaged, VOL)
    sealed_io(storaged, answer, "write -P 0x5a 1023M 1M")
    if in_use:
        status, growing = storaged.call("POST", f"volumes/{VOL}/grow", {"size_gib": 2})
        assert status == 200 and growing["growing_gib"] == 2 and growing["size_gib"] == 1, "its QEMUs have not grown it"
        storaged.kill()
        storaged.start()
        assert storaged.call("GET", f"volumes/{VOL}")[1]["size_gib"] == 1
        tool(storaged, ["qemu-img", "resize"], answer, "-q", "--shrink", None, "2G")
    else:
        closed(storaged, VOL)
    assert storaged.call("POST", f"volumes/{VOL}/grow", {"size_gib": 2})[1]["size_gib"] == 2
    sealed_io(storaged, opened(storaged, VOL), "read -P 0x5a 1023M 1M", "read -P 0 1024M 1023M", "write -P 6 2047M 1M")
    closed(storaged, VOL)
    assert storaged.check() == (0, "0 findings\n")


def test_another_kind(storaged):
    """A closed volume with a chain becomes one file that several may have, and one of its own again; snapshots stay."""
    make(storaged, VOL)
    qemu_io(storaged, VOL, "write -P 1 0 1M")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    qemu_io(storaged, VOL, "write -P 2 1M 1M")
    assert storaged.call("POST", f"volumes/{VOL}/open", {"opener": QEMUS[0]})[0] == 200
    assert storaged.call("POST", f"volumes/{VOL}/share", {"shared": True})[0] == 409
    assert storaged.call("POST", f"volumes/{VOL}/close", {"opener": QEMUS[0]})[0] == 200
    status, answer = storaged.call("POST", f"volumes/{VOL}/share", {"shared": True})
    assert status == 200 and answer["shared"] and answer["format"] == "raw" and answer["backing"] == []
    assert storaged.call("POST", f"volumes/{VOL}/share", {"shared": True}) == (200, answer)
    io(opened(storaged, VOL), "read -P 1 0 1M", "read -P 2 1M 1M", "read -P 0 2M 1022M", "write -P 3 0 1M")
    closed(storaged, VOL)
    status, answer = storaged.call("POST", f"volumes/{VOL}/share", {"shared": False})
    assert status == 200 and "shared" not in answer and answer["format"] == "qcow2" and answer["backing"] == []
    assert len(storaged.files) == 2, "its layer and the snapshot's"
    qemu_io(storaged, VOL, "read -P 3 0 1M", "read -P 2 1M 1M", "read -P 0 2M 1022M")
    make(storaged, OTHER, snapshot=SNAP)
    qemu_io(storaged, OTHER, "read -P 1 0 1M", "read -P 0 1M 1M")
    storaged.kill()
    storaged.start()
    assert storaged.check() == (0, "0 findings\n")


@long_one
def test_another_kind_encrypted(storaged):
    key = make(storaged, VOL, kms_key=KEY)["key"]
    qemu_io(storaged, VOL, "write -P 1 0 1M")
    assert storaged.call("POST", f"volumes/{VOL}/share", {"shared": True})[1]["key"] == key
    sealed_io(storaged, opened(storaged, VOL), "read -P 1 0 1M", "read -P 0 1M 1023M", "write -P 3 512M 1M")
    closed(storaged, VOL)
    assert storaged.call("POST", f"volumes/{VOL}/share", {"shared": False})[1]["key"] == key
    qemu_io(storaged, VOL, "read -P 1 0 1M", "read -P 3 512M 1M", "read -P 0 513M 511M")


@pytest.fixture
def cloning(directory):
    """A storaged whose store can clone files: on an XFS in a file."""
    if not shutil.which("mkfs.xfs"):
        pytest.skip("no mkfs.xfs (xfsprogs)")
    file, place = directory / "disk", directory / "s"
    with file.open("wb") as f:
        f.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", file], check=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", file, place], check=False, capture_output=True).returncode != 0:
        pytest.skip("no loop devices, or no XFS in this kernel")
    place.chmod(0o755)
    it = Storaged(place, "reserve_mib = 16\n")
    it.start()
    try:
        yield it
    finally:
        it.stop()
        subprocess.run(["umount", "--lazy", place], check=True)


def test_snapshot_while_it_is_open(cloning):
    """It is of the moment of the call, whatever is written while it is copied; killed and ended meanwhile nothing of it stays."""
    make(cloning, VOL, shared=True)
    answer = opened(cloning, VOL)
    io(answer, "write -P 1 0 64M")
    before = cloning.files

    def under_way():
        return cloning.call_once("PUT", f"snapshots/{SNAP}", {"volume": VOL})[1]["state"] == "copying"
    for end in (lambda: cloning.call("DELETE", f"snapshots/{SNAP}"), lambda: (cloning.kill(), cloning.start())):
        cloning.caught(under_way, under_way, lambda: cloning.call("DELETE", f"snapshots/{SNAP}"))
        assert len(cloning.files) > len(before)
        end()
        assert cloning.files == before
    under_way()
    io(answer, "write -P 2 0 64M")
    status, taken = cloning.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})
    assert status == 200 and taken["state"] == "available", taken
    assert len(cloning.files) == len(before) + 1, "the clone is gone"
    make(cloning, OTHER, snapshot=SNAP)
    qemu_io(cloning, OTHER, "read -P 1 0 64M", "read -P 0 64M 64M")
    io(answer, "read -P 2 0 64M")
    assert cloning.check() == (0, "0 findings\n")
