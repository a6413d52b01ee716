"""Imports and exports: good files of every format there and back, and the corpus of hostile ones."""

import concurrent.futures
import json
import os
import pathlib
import random
import resource
import subprocess
import time

import pytest

from hostile_images import CORPUS, good_stream, qemu_img
from storaged_daemon import PATIENCE_S, ROOT

READER = ROOT / "build" / "minicloud-storaged"
MEMORY = 512 << 20  # of addresses, as the daemon gives it
CPU_S = 5
DRIVERS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vhdx": "vhdx", "vhd": "vpc"}


def snap(n):
    return f"snap-{n:017x}"


def settled(call, path):
    """The task's report once it is done or has failed."""
    end = time.monotonic() + PATIENCE_S
    while True:
        status, report = call("GET", path)
        assert status == 200, report
        if report["state"] in ("done", "failed"):
            return report
        assert time.monotonic() < end, report
        time.sleep(0.02)


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


def read_it(form, path):
    """What the reader says of it, with its limits of memory and of a processor's time: (status, document)."""
    p = subprocess.run([READER, "--read-image", form, path], capture_output=True, preexec_fn=limited,  # pylint: disable=subprocess-popen-preexec-fn
                       check=False)
    assert p.returncode in (0, 3), (form, path, p.returncode, p.stdout, p.stderr)
    return p.returncode, json.loads(p.stdout)


def made(storaged, n, name):
    form, make, _ = CORPUS[name]
    path = storaged.home / "images-src" / f"{n}.{form}"
    make(str(path), str(path.parent))
    path.chmod(0o644)
    return form, path


def test_corpus(storaged):
    """Each is refused for what it is, by the reader alone, in bounded time and memory: nothing has been
    started by qemu-img's name, and nothing is left."""
    assert len(CORPUS) >= 30
    names = list(CORPUS)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda n: made(storaged, n, names[n]), range(len(names))))
    for name, (form, path) in zip(names, files):
        status, said = read_it(form, path)
        assert status == 3, (name, said)
        assert CORPUS[name][2] in said["refused"], (name, said)
    for n, (form, path) in enumerate(files):
        status, answer = storaged.call("PUT", f"imports/{snap(n)}", {"source": str(path), "format": form})
        assert status == 200, answer
    for n, name in enumerate(names):
        report = settled(storaged.call, f"imports/{snap(n)}")
        assert report["state"] == "failed" and report["outcome"] == "bad_request", (name, report)
        assert report["message"].startswith("source refused: ") and CORPUS[name][2] in report["message"], (name, report)
        assert storaged.call("DELETE", f"imports/{snap(n)}")[0] == 200
        assert storaged.call("GET", f"imports/{snap(n)}")[0] == 404
    assert storaged.files == set()
    assert storaged.call("GET", "snapshots") == (200, {"snapshots": []})
    assert "brought in" not in storaged.log()
    assert storaged.check() == (0, "0 findings\n")


@pytest.fixture
def bucket(storaged):
    path = storaged.home / "exchange" / "bucket"
    path.mkdir()
    subprocess.run(["chown", "minicloud-storaged:", path], check=True)
    return path


def disk(path):
    """A raw disk with data at its ends and a hole."""
    with open(path, "wb") as f:
        f.write(random.randbytes(3 << 20))
        f.seek(40 << 20)
        f.write(random.randbytes(1 << 20))
        f.truncate(64 << 20)
    path.chmod(0o644)


def test_there_and_back(storaged, bucket, directory):
    """Every format is read and written; the data are what they were."""
    original = directory / "original"
    disk(original)
    for n, (form, driver) in enumerate(DRIVERS.items()):
        qemu_img("convert", "-f", "raw", "-O", driver, *(["-o", "force_size=on"] if form == "vhd" else []), original, bucket / f"a.{form}")
        (bucket / f"a.{form}").chmod(0o644)
        assert storaged.call("PUT", f"imports/{snap(n)}", {"source": f"bucket/a.{form}", "format": form})[0] == 200
        report = settled(storaged.call, f"imports/{snap(n)}")
        assert report["state"] == "done" and report["size_gib"] == 1, report
        layer = storaged.call("GET", f"snapshots/{snap(n)}")[1]["layer"]
        qemu_img("compare", "-f", "raw", "-F", "qcow2", original, storaged.home / "store" / f"{layer}.qcow2")
        task = f"exports/export-ami-{n:017x}"
        target = {"source": snap(n), "format": form, "target": f"bucket/out.{form}"}
        assert storaged.call("PUT", task, target)[0] == 200
        assert settled(storaged.call, task)["state"] == "done"
        assert storaged.call("PUT", task, target)[1]["percent"] == 100
        qemu_img("compare", "-f", "raw", "-F", driver, original, bucket / f"out.{form}")
        assert storaged.call("DELETE", task)[0] == 200
        # What we write is what we read.
        assert read_it(form, bucket / f"out.{form}")[0] == 0
    good_stream(str(bucket / "a.stream"), None)
    assert read_it("vmdk", bucket / "a.stream")[1] == {"virtual_bytes": 8 << 20, "data_bytes": 2 << 20}
    (bucket / "a.stream").unlink()
    assert {p.name for p in bucket.iterdir()} == {f"{a}.{form}" for a in ("a", "out") for form in DRIVERS}
    assert storaged.check() == (0, "0 findings\n")


def test_places(storaged, bucket, directory):
    """Only what lies where the operator said, and no link out of it."""
    outside = directory / "outside.raw"
    disk(outside)
    (bucket / "link.raw").symlink_to(outside)
    (bucket / "sub").symlink_to(directory)
    (bucket / ".hidden").write_bytes(b"\0" * 512)
    os.mkfifo(bucket / "fifo.raw")
    for source in (outside, "bucket/link.raw", "bucket/sub/outside.raw", "bucket/../../outside.raw", "bucket/.hidden", "bucket",
                   "bucket//x", "bucket/fifo.raw", "", "bucket/\n", bucket / "link.raw", f"{bucket}/../../../outside.raw",
                   "/etc/passwd"):
        answer = storaged.call("PUT", f"imports/{snap(0)}", {"source": str(source), "format": "raw"})
        assert answer[0] == 400, (source, answer)
    assert storaged.call("PUT", f"imports/{snap(0)}", {"source": "bucket/absent", "format": "raw"})[0] == 404
    assert storaged.call("PUT", f"imports/{snap(0)}", {"source": "bucket/x", "format": "vdi"})[0] == 400
    good = storaged.image_file()
    assert storaged.call("PUT", f"imports/{snap(1)}", {"source": str(good), "format": "qcow2"})[0] == 200
    assert settled(storaged.call, f"imports/{snap(1)}")["state"] == "done"
    task = {"source": snap(1), "format": "raw"}
    for target in ("bucket/../x", "/tmp/x", "bucket/sub/x", "x", "bucket/.x"):
        assert storaged.call("PUT", "exports/export-ami-00000000000000001", {**task, "target": target})[0] in (400, 404), target
    assert storaged.call("PUT", "exports/export-ami-00000000000000001", {**task, "target": "absent/x"})[0] == 404
    assert {p.name for p in bucket.iterdir()} == {"link.raw", "sub", ".hidden", "fifo.raw"}


def busy_import(storaged, bucket, n):
    """A large one that is under way, and will not end: its report has been seen to be on its way."""
    path = pathlib.Path(bucket) / "large.raw"
    if not path.exists():
        with open(path, "wb") as f:
            for at in range(0, 1 << 30, 64 << 20):
                f.seek(at)
                f.write(random.randbytes(1 << 20) * 24)
            f.truncate(1 << 30)
        path.chmod(0o644)
    def begin():
        assert storaged.call("PUT", f"imports/{snap(n)}", {"source": "bucket/large.raw", "format": "raw"})[0] == 200

    def is_under_way():
        return storaged.call("GET", f"imports/{snap(n)}")[1]["state"] in ("waiting", "running")

    def take_back():
        assert storaged.call("DELETE", f"imports/{snap(n)}")[0] == 200
    storaged.caught(begin, is_under_way, take_back)
    report = storaged.call("GET", f"imports/{snap(n)}")[1]
    assert report["state"] == "running" and 0 <= report["percent"] < 100, report


def test_cancel_and_kill(storaged, bucket):
    """A cancelled import leaves nothing; one that was killed with the daemon begins anew."""
    busy_import(storaged, bucket, 1)
    assert storaged.call("DELETE", f"imports/{snap(1)}")[0] == 200
    assert storaged.call("GET", f"imports/{snap(1)}")[0] == 404
    assert storaged.files == set() and storaged.call("GET", "snapshots")[1] == {"snapshots": []}
    busy_import(storaged, bucket, 2)
    storaged.kill()
    storaged.start()
    assert storaged.files == set()
    assert storaged.call("GET", f"imports/{snap(2)}")[0] == 404
    assert storaged.call("PUT", f"imports/{snap(2)}", {"source": "bucket/large.raw", "format": "raw"})[0] == 200
    assert settled(storaged.call, f"imports/{snap(2)}")["state"] == "done"
    # Asked again, nothing is done again.
    assert storaged.call("PUT", f"imports/{snap(2)}", {"source": "bucket/large.raw", "format": "raw"})[1]["state"] == "done"
    assert len(storaged.files) == 1
    assert storaged.check() == (0, "0 findings\n")
