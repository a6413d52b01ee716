"""Encrypted layers: what is on the disk, which chains share a key, what is copied, and what opens nothing."""

import contextlib
import json
import os
import pathlib
import random
import subprocess

import pytest

from datakey import data_key
from storaged_daemon import PATIENCE_S
from test_snapshots import consistent, wait

VOL, OTHER, THIRD = (f"vol-0123456789abcde{n}" for n in ("f0", "f1", "f2"))
SNAP, COPY = (f"snap-0123456789abcde{n}" for n in ("f0", "f1"))
KEY, KEY2 = "01234567-89ab-4cde-8123-456789abcdef", "fedcba98-7654-4321-8fed-cba987654321"
OPENER = "i-0123456789abcdef0"
MARK = b"plaintext that must be nowhere " * 300


def key_of(storaged, volume):
    """The volume's data key, as its opener gets it: a sealed memfd over the descriptor socket."""
    fd, outcome = data_key(storaged.run_dir, volume)
    if fd is None:
        return outcome
    try:
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        return os.pread(fd, 200, 0)
    finally:
        os.close(fd)


def open_volume(storaged, volume):
    status, answer = storaged.call("POST", f"volumes/{volume}/open", {"opener": OPENER})
    assert status == 200, answer
    return answer


def close_volume(storaged, volume):
    status, answer = storaged.call("POST", f"volumes/{volume}/close", {"opener": OPENER})
    assert status == 200, answer
    return answer


def qemu_io(storaged, volume, *commands):
    """Read and write the volume as a QEMU would. What qemu-io says."""
    answer = open_volume(storaged, volume)
    key = key_of(storaged, volume) if "key" in answer else None
    read, write = os.pipe()
    node = None
    for path in reversed([answer["path"], *answer["backing"]]):
        above = {"driver": "qcow2", "file": {"driver": "file", "filename": path}}
        if key:
            above["encrypt"] = {"format": "luks", "key-secret": "k"}
        if node:
            above["backing"] = node
        node = above
    secret = ["--object", f"secret,id=k,file=/dev/fd/{read}"] if key else []
    os.write(write, key or b"")
    os.close(write)
    try:
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(["qemu-io", *secret, *words, "json:" + json.dumps(node)], pass_fds=[read],
                              capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    finally:
        os.close(read)
        close_volume(storaged, volume)
    assert done.returncode == 0 and "verification failed" not in done.stdout, done.stdout + done.stderr
    return done.stdout


def make(storaged, volume, **more):
    status, answer = storaged.call("PUT", f"volumes/{volume}", {"size_gib": 1, **more})
    assert status == 200, answer
    return answer


def copied(storaged, snapshot, source, kms_key):
    """The copy under this key, once it is there."""
    status, answer = storaged.call("PUT", f"snapshots/{snapshot}", {"copy": source, "kms_key": kms_key})
    assert status == 200, answer
    return answer


def write_mark(storaged, volume, directory):
    mark = directory / "mark"
    mark.write_bytes(MARK)
    qemu_io(storaged, volume, f"write -s {mark} 64k 256k", "flush")
    mark.unlink()


def found(storaged, *needles):
    """The files below the home, the master key left out, that have any of these bytes."""
    def has(path):
        with contextlib.suppress(FileNotFoundError):  # it has just been merged away
            data = path.read_bytes()
            return any(needle in data for needle in needles)
    return [str(p) for p in pathlib.Path(storaged.home).rglob("*")
            if p.is_file() and p.name != "master.key" and has(p)]


def test_nothing_clear_on_the_disk(storaged, directory):
    """The search finds what is written in clear, and nothing of an encrypted volume, nor its key."""
    make(storaged, OTHER)
    write_mark(storaged, OTHER, directory)
    assert len(found(storaged, MARK[:64])) == 1
    storaged.call("DELETE", f"volumes/{OTHER}")
    make(storaged, VOL, kms_key=KEY)
    write_mark(storaged, VOL, directory)
    open_volume(storaged, VOL)
    key = key_of(storaged, VOL)
    assert len(key) == 64
    master = (storaged.home / "keys" / "master.key").read_bytes()
    assert close_volume(storaged, VOL) == {"unused_key": storaged.call("GET", f"volumes/{VOL}")[1]["key"]}
    assert found(storaged, MARK[:64], key, bytes.fromhex(key.decode()), master, master.hex().encode()) == []
    assert key_of(storaged, VOL) == "conflict", "nobody has it open"
    assert oct((storaged.home / "keys" / "master.key").stat().st_mode & 0o777) == "0o600"
    consistent(storaged)


def test_chain(storaged):
    """Snapshots and the volumes of them have the volume's key; growing and merging keep what was written."""
    key = make(storaged, VOL, kms_key=KEY)["key"]
    qemu_io(storaged, VOL, "write -P 1 0 1M")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    qemu_io(storaged, VOL, "read -P 1 0 1M", "write -P 2 512k 1M")
    assert storaged.call("PUT", f"snapshots/{COPY}", {"copy": SNAP})[0] == 200
    assert make(storaged, OTHER, snapshot=COPY, kms_key=KEY)["key"] == key
    qemu_io(storaged, OTHER, "read -P 1 0 1M", "read -P 0 1M 1M", "write -P 3 0 64k")
    assert storaged.call("POST", f"volumes/{VOL}/grow", {"size_gib": 2})[0] == 200
    qemu_io(storaged, VOL, "read -P 1 0 512k", "read -P 2 512k 1M", "write -P 4 1536M 64k")
    for snapshot in (SNAP, COPY):
        assert storaged.call("DELETE", f"snapshots/{snapshot}")[0] == 200
    assert storaged.call("DELETE", f"volumes/{OTHER}")[0] == 200
    qemu_io(storaged, VOL, "read -P 1 0 512k", "read -P 2 512k 1M", "read -P 4 1536M 64k")
    consistent(storaged)


def test_other_keys_copy(storaged, directory):
    """What is to be encrypted otherwise is copied whole: nothing of it stands on the old data."""
    make(storaged, VOL)
    write_mark(storaged, VOL, directory)
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    encrypted = make(storaged, OTHER, snapshot=SNAP, kms_key=KEY)
    assert encrypted["backing"] == [] and encrypted["key"]
    assert copied(storaged, COPY, SNAP, KEY2)["state"] == "available"
    third = make(storaged, THIRD, snapshot=COPY, kms_key=KEY2)
    assert len(third["backing"]) == 1 and third["key"] != encrypted["key"]
    for name in (f"snapshots/{SNAP}", f"volumes/{VOL}"):
        assert storaged.call("DELETE", name)[0] == 200
    wait("with the last plain layer all clear data is gone", lambda: found(storaged, MARK[:64]) == [])
    for volume in (OTHER, THIRD):
        text = qemu_io(storaged, volume, "read -v 64k 32")
        assert "plaintext.that" in text
    consistent(storaged)


def test_import_under_a_key(storaged, directory):
    """A file in clear becomes an encrypted snapshot; of the way in between nothing stays."""
    bucket = storaged.home / "exchange" / "bucket"
    bucket.mkdir()
    disk = bucket / "disk.raw"
    disk.write_bytes(b"\0" * 65536 + MARK + b"\0" * (1 << 20))
    os.truncate(disk, 64 << 20)
    wanted = {"source": "bucket/disk.raw", "format": "raw", "kms_key": KEY}
    def report():
        answer = storaged.call("PUT", f"imports/{SNAP}", wanted)[1]
        assert answer["state"] != "failed", answer
        return answer["state"] == "done"
    wait("the import is done", report)
    disk.unlink()
    assert found(storaged, MARK[:64]) == [] and len(storaged.files) == 1
    made = make(storaged, VOL, snapshot=SNAP, kms_key=KEY)
    assert made["key"] and len(made["backing"]) == 1
    assert "plaintext.that" in qemu_io(storaged, VOL, "read -v 64k 32")
    open_volume(storaged, VOL)
    secret = key_of(storaged, VOL)
    assert found(storaged, secret, bytes.fromhex(secret.decode())) == []
    consistent(storaged)


def test_copy_that_is_ended(storaged, directory):
    """Deleted while it is being made: nothing of it stays, and the same can be made again."""
    make(storaged, VOL)
    qemu_io(storaged, VOL, "write -P 7 0 128M", "flush")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    before = storaged.files
    def under_way():
        return storaged.call_once("PUT", f"snapshots/{COPY}", {"copy": SNAP, "kms_key": KEY})[1]["state"] == "copying"
    storaged.caught(under_way, under_way, lambda: storaged.call("DELETE", f"snapshots/{COPY}"))
    assert storaged.call("DELETE", f"snapshots/{COPY}") == (200, {})
    assert storaged.call("GET", f"snapshots/{COPY}")[0] == 404 and storaged.files == before
    copied(storaged, COPY, SNAP, KEY)
    assert len(storaged.files) == len(before) + 1
    consistent(storaged)


def break_file(path):
    """The first entry of its L1 table points to where no L2 table can be (docs/interop/qcow2)."""
    with open(path, "r+b") as file:
        file.seek(40)
        at = int.from_bytes(file.read(8), "big")
        file.seek(at)
        entry = int.from_bytes(file.read(8), "big")
        file.seek(at)
        file.write((entry | 0x200).to_bytes(8, "big"))


def test_copy_that_fails(storaged):
    """Whoever asks is told, once; asked again it is tried again."""
    make(storaged, VOL)
    qemu_io(storaged, VOL, "write -P 7 0 1M", "flush")
    before = storaged.files
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    frozen, files = before & storaged.files, storaged.files
    break_file(storaged.home / "store" / frozen.pop())
    for path, body in ((f"snapshots/{COPY}", {"copy": SNAP, "kms_key": KEY}),
                       (f"volumes/{OTHER}", {"size_gib": 2, "snapshot": SNAP, "kms_key": KEY})):
        for _ in range(2):
            assert storaged.call("PUT", path, body)[0] == 500
        assert storaged.call("GET", path)[0] == 404
    assert storaged.files == files


def test_volume_under_another_key(storaged):
    """All of it is copied while its maker is told how far that is; deleted or killed meanwhile nothing of it stays, and it
    can be made again."""
    make(storaged, VOL)
    qemu_io(storaged, VOL, "write -P 7 0 128M", "flush")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    before, wanted = storaged.files, {"size_gib": 2, "snapshot": SNAP, "kms_key": KEY, "opener": "i-0123456789abcdef0"}

    def under_way():
        answer = storaged.call_once("PUT", f"volumes/{OTHER}", wanted)[1]
        assert answer.get("state") != "copying" or answer["percent"] < 100, answer
        return answer.get("state") == "copying"

    def take_back():
        storaged.call("POST", f"volumes/{OTHER}/close", {"opener": wanted["opener"]})
        assert storaged.call("DELETE", f"volumes/{OTHER}")[0] == 200
    for end in (lambda: storaged.call("DELETE", f"volumes/{OTHER}"), lambda: (storaged.kill(), storaged.start())):
        storaged.caught(under_way, under_way, take_back)
        assert storaged.call("GET", f"volumes/{OTHER}")[0] == 404
        assert storaged.call("POST", f"volumes/{OTHER}/open", {"opener": wanted["opener"]})[0] in (404, 503)
        end()
        assert storaged.files == before
    status, answer = storaged.call("PUT", f"volumes/{OTHER}", wanted)
    assert status == 200 and answer["size_gib"] == 2 and answer["backing"] == [] and answer["opened_by"] == [wanted["opener"]]
    assert storaged.call("PUT", f"volumes/{OTHER}", wanted) == (200, answer)
    storaged.call("POST", f"volumes/{OTHER}/close", {"opener": wanted["opener"]})
    qemu_io(storaged, OTHER, "read -P 7 0 128M", "read -P 0 128M 64M")
    consistent(storaged)


def test_what_is_answered_can_be_opened(storaged):
    """Asked without a pause, it is not told to be there before whoever makes it has ended."""
    make(storaged, VOL)
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    for _ in range(20):
        while storaged.call_once("PUT", f"volumes/{OTHER}", {"size_gib": 1, "snapshot": SNAP, "kms_key": KEY})[1].get("state") == "copying":
            pass
        open_volume(storaged, OTHER)
        close_volume(storaged, OTHER)
        assert storaged.call("DELETE", f"volumes/{OTHER}")[0] == 200


def test_image_encrypted(storaged):
    storaged.image_file()
    assert storaged.call("PUT", "images/ami-0123456789abcdef0", {"source": str(storaged.home / "images-src" / "a.qcow2")})[0] == 200
    answer = make(storaged, VOL, image="ami-0123456789abcdef0", kms_key=KEY)
    assert answer["backing"] == [] and answer["key"]
    qemu_io(storaged, VOL, "read -P 7 0 3M", "read -P 0 3M 1M")


def test_destroyed_key(storaged):
    """Without its KMS key nothing of a volume can be had; it can be deleted."""
    make(storaged, VOL, kms_key=KEY)
    assert storaged.call("DELETE", f"keys/{KEY}")[0] == 200
    open_volume(storaged, VOL)
    assert key_of(storaged, VOL) == "not_found"
    close_volume(storaged, VOL)
    assert storaged.call("PUT", f"volumes/{OTHER}", {"size_gib": 1, "kms_key": KEY})[0] == 404
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 404
    assert storaged.call("DELETE", f"volumes/{VOL}")[0] == 200
    assert storaged.files == set()


def test_without_the_master_key(storaged):
    """Another master key opens nothing; plain volumes go on; the old one brings all back."""
    make(storaged, VOL, kms_key=KEY)
    qemu_io(storaged, VOL, "write -P 9 0 64k")
    path = storaged.home / "keys" / "master.key"
    master = path.read_bytes()
    storaged.stop()
    path.write_bytes(random.randbytes(32))
    storaged.start()
    open_volume(storaged, VOL)
    assert key_of(storaged, VOL) == "unavailable"
    close_volume(storaged, VOL)
    assert storaged.call("PUT", f"volumes/{OTHER}", {"size_gib": 1, "kms_key": KEY})[0] == 503
    make(storaged, OTHER)
    findings = {f["what"]: f["severity"] for f in storaged.call("GET", "findings")[1]["findings"]}
    assert findings["master-key"] == "error"
    storaged.stop()
    path.write_bytes(master)
    storaged.start()
    qemu_io(storaged, VOL, "read -P 9 0 64k")


def test_records_made_anew(storaged):
    """The keys are not in the records of the layers: when those are lost, what is encrypted opens with its key again."""
    make(storaged, VOL, kms_key=KEY)
    qemu_io(storaged, VOL, "write -P 5 0 64k")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    make(storaged, OTHER, shared=True)
    before = [storaged.call("GET", noun)[1] for noun in ("volumes", "snapshots")]
    storaged.stop()
    for path in (storaged.home / "storaged").glob("storaged.db*"):
        path.unlink()
    status, text = storaged.check("--repair")
    assert status == 0, text
    storaged.start()
    assert [storaged.call("GET", noun)[1] for noun in ("volumes", "snapshots")] == before
    qemu_io(storaged, VOL, "read -P 5 0 64k")
    consistent(storaged)


def test_blocks(storaged):
    """Single blocks of an encrypted snapshot, as the EBS direct APIs list them."""
    make(storaged, VOL, kms_key=KEY)
    qemu_io(storaged, VOL, "write -P 6 512k 512k")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    status, answer = storaged.call("GET", f"snapshots/{SNAP}/blocks?from=0&max=10")
    assert status == 200 and [block[0] for block in answer["blocks"]] == [1], answer


def test_merges(storaged):
    """Encrypted chains become shorter as others do: by commits where snapshots were deleted, by pulls where they stay."""
    snaps = [f"snap-0123456789abcd{n:03x}" for n in range(14)]
    make(storaged, VOL, kms_key=KEY)

    def unhindered(method, path, body=None):
        """The janitor may just be at the chain."""
        def done():
            answer = storaged.call(method, path, body)
            assert answer[0] in (200, 503), answer
            return answer[0] == 200 and answer
        return wait(path, done)[1]
    for n, snapshot in enumerate(snaps):
        unhindered("POST", f"volumes/{VOL}/open", {"opener": OPENER})
        qemu_io(storaged, VOL, f"write -P {n + 1} {n}M 64k", "write -P 99 100M 64k")
        unhindered("PUT", f"snapshots/{snapshot}", {"volume": VOL})
    wait("a chain that was too long is pulled together", lambda: len(storaged.call("GET", f"volumes/{VOL}")[1]["backing"]) < 11)
    shows = [f"read -P {n + 1} {n}M 64k" for n in range(len(snaps))] + ["read -P 99 100M 64k"]
    unhindered("POST", f"volumes/{VOL}/open", {"opener": OPENER})
    qemu_io(storaged, VOL, *shows)
    for snapshot in snaps[1:]:
        unhindered("DELETE", f"snapshots/{snapshot}")
    wait("what the deleted ones kept is merged", lambda: len(storaged.files) <= 3)
    unhindered("POST", f"volumes/{VOL}/open", {"opener": OPENER})
    qemu_io(storaged, VOL, *shows)
    consistent(storaged)
    assert not [p for p in found(storaged, b"json:") if p.endswith(".qcow2")], "headers have plain names"
