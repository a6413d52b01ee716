"""minicloud-storaged through its socket: docs/ipc.md, crashes, full disks, files nobody should trust."""

import hashlib
import http.client
import os
import pathlib
import random
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest

from storaged_daemon import PATIENCE_S, Storaged

AMI = "ami-0123456789abcdef0"
AMI2 = "ami-0123456789abcdef1"
GIB = 1 << 30


def vol(n=0):
    return f"vol-{n:017x}"


def put_image(storaged, path=None, ami=AMI, **more):
    return storaged.call("PUT", f"images/{ami}", {"source": str(path or storaged.image_file()), **more})


def put_volume(storaged, n=0, size=1, image=AMI):
    return storaged.call("PUT", f"volumes/{vol(n)}", {"size_gib": size, **({"image": image} if image else {})})


def outcome(answer):
    return answer[0], answer[1].get("outcome")


def qemu_img(*words):
    done = subprocess.run(["qemu-img", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what docs/ipc.md promises

def test_image(storaged):
    path = storaged.image_file()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    status, image = put_image(storaged, path, sha256=digest)
    assert status == 200, image
    assert image["id"] == AMI and image["state"] == "available" and image["sha256"] == digest
    assert image["virtual_bytes"] == 64 << 20 and image["allocated_bytes"] >= 3 << 20
    layer = storaged.home / "store" / (image["layer"] + ".qcow2")
    assert stat.S_IMODE(layer.stat().st_mode) == 0o440
    assert layer.group() == "minicloud-disk" and layer.owner() == "minicloud-storaged"
    assert qemu_img("compare", "-f", "qcow2", "-F", "qcow2", path, layer).strip() == "Images are identical."
    assert storaged.call("GET", f"images/{AMI}") == (200, image)
    assert storaged.call("GET", "images") == (200, {"images": [image]})
    assert put_image(storaged, path, sha256=digest) == (200, image)
    assert storaged.files == {layer.name}


def test_image_delete(storaged):
    assert put_image(storaged)[0] == 200
    assert put_volume(storaged)[0] == 200
    assert storaged.call("DELETE", f"images/{AMI}") == (200, {})
    assert outcome(storaged.call("GET", f"images/{AMI}")) == (404, "not_found")
    assert put_volume(storaged)[0] == 200, "what exists is found again without its image"
    assert outcome(put_volume(storaged, 1)) == (404, "not_found")
    assert len(storaged.files) == 2
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
    assert storaged.files == set()
    assert storaged.call("DELETE", f"images/{AMI}") == (200, {})


def test_volume(storaged):
    image = put_image(storaged)[1]
    status, volume = put_volume(storaged, size=3)
    assert status == 200, volume
    path = pathlib.Path(volume["path"])
    assert volume["base"] == image["layer"] and volume["format"] == "qcow2" and volume["size_gib"] == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o660 and path.group() == "minicloud-disk"
    info = qemu_img("info", "-f", "qcow2", path)
    assert f"backing file: {image['layer']}.qcow2" in info, "relative, so that the store can be moved"
    assert f"({3 * GIB} bytes)" in info
    assert put_volume(storaged, size=3) == (200, volume)
    assert storaged.call("GET", "volumes") == (200, {"volumes": [volume]})
    assert storaged.check() == (0, "0 findings\n")


def test_empty_volume(storaged):
    status, volume = put_volume(storaged, image=None)
    assert status == 200 and "base" not in volume
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
    assert storaged.files == set()


def test_outcomes(storaged):
    assert put_image(storaged, storaged.image_file(size="2G"))[0] == 200
    assert outcome(put_volume(storaged, size=1)) == (400, "bad_request"), "smaller than the image"
    assert outcome(put_volume(storaged, image=AMI2)) == (404, "not_found")
    assert put_volume(storaged, size=2)[0] == 200
    assert outcome(put_volume(storaged, size=3)) == (409, "conflict")
    assert outcome(put_volume(storaged, size=2, image=None)) == (409, "conflict")
    assert outcome(storaged.call("GET", f"volumes/{vol(9)}")) == (404, "not_found")
    other = storaged.image_file("b.qcow2", options=["-o", "cluster_size=4096"])
    assert outcome(put_image(storaged, other)) == (409, "conflict")
    assert outcome(put_image(storaged, other, sha256="0" * 64)) == (409, "conflict")
    assert len(storaged.files) == 2


@pytest.mark.parametrize("body", [{}, {"size_gib": 0}, {"size_gib": -1}, {"size_gib": "1"}, {"size_gib": 1 << 40},
                                  {"size_gib": 1, "image": "ami-../../x"}, {"size_gib": 1, "more": 1}, [], None])
def test_bad_volume_messages(storaged, body):
    assert outcome(storaged.call("PUT", f"volumes/{vol()}", body)) == (400, "bad_request")


@pytest.mark.parametrize("path", ["volumes/vol-..", "volumes/ami-0123456789abcdef0", "images/vol-0123456789abcdef0",
                                  "volumes/vol-0123456789ABCDEF0"])
def test_bad_ids(storaged, path):
    assert storaged.call("PUT", path, {"size_gib": 1})[0] in (400, 404)
    assert storaged.files == set()


def test_host(storaged):
    status, host = storaged.call("GET", "host")
    assert status == 200 and host["store"] == str(storaged.home / "store")
    assert host["total_bytes"] >= host["free_bytes"] > 0


def test_it_tells_its_service_manager(directory):
    """sd_notify(3): ready is said when it answers, not before; and that it stops."""
    storaged = Storaged(directory)
    command, environment = storaged.command()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0minicloud-test-" + directory.name)
        manager.settimeout(PATIENCE_S)
        environment["NOTIFY_SOCKET"] = "@minicloud-test-" + directory.name
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                assert manager.recv(100) == b"READY=1"
                assert storaged.call("GET", "host")[0] == 200
                process.terminate()
                assert manager.recv(100) == b"STOPPING=1"
                assert process.wait(PATIENCE_S) == 0
            finally:
                process.kill()


def test_runs_unprivileged(storaged):
    text = pathlib.Path(f"/proc/{storaged.pid}/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in text.splitlines())
    assert fields["Uid"].split()[0] != "0"
    assert all(int(fields[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"))
    assert fields["NoNewPrivs"].strip() == "1"


# --- images that must be refused

def secret(storaged):
    path = storaged.home / "images-src" / "secret"
    path.write_bytes(b"secret" * 4096)
    path.chmod(0o644)
    return path


def with_backing(storaged):
    path = storaged.home / "images-src" / "bad.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", secret(storaged), "-F", "raw", path)
    return path


def with_json_backing(storaged):
    path = storaged.home / "images-src" / "bad.qcow2"
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", 'json:{"driver":"file","filename":"/etc/hostname"}',
             "-F", "raw", path, "64M")
    return path


def with_data_file(storaged):
    path = storaged.home / "images-src" / "bad.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={secret(storaged)}.raw,data_file_raw=on", path, "1M")
    return path


def raw(storaged):
    return secret(storaged)


def encrypted(storaged):
    path = storaged.image_file("bad.qcow2")
    with path.open("r+b") as f:
        f.seek(32)
        f.write(struct.pack(">I", 2))  # crypt_method: LUKS
    return path


def with_snapshot(storaged):
    path = storaged.image_file("bad.qcow2")
    qemu_img("snapshot", "-c", "one", path)
    return path


def cut_off(storaged):
    path = storaged.image_file("bad.qcow2")
    os.truncate(path, path.stat().st_size // 2)
    return path


def compressed_garbage(storaged):
    """A header and tables in order; what the compressed clusters hold is not."""
    path = storaged.image_file("bad.qcow2", options=["-c"])
    with path.open("r+b") as f:
        f.seek(40)
        f.seek(struct.unpack(">Q", f.read(8))[0])
        l2_offset = struct.unpack(">Q", f.read(8))[0] & 0x00fffffffffffe00
        f.seek(l2_offset)
        at = struct.unpack(">Q", f.read(8))[0] & ((1 << 54) - 1)
        f.seek(at)
        f.write(b"\xff" * 64)
    return path


def another_format(storaged):
    path = storaged.home / "images-src" / "bad.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", path, "1M")
    return path


REFUSED = [with_backing, with_json_backing, with_data_file, raw, encrypted, with_snapshot, cut_off,
           compressed_garbage, another_format]


@pytest.mark.parametrize("make", REFUSED, ids=lambda f: f.__name__)
def test_refused_image(storaged, make):
    path = make(storaged)
    path.chmod(0o644)
    status, answer = put_image(storaged, path)
    assert (status, answer["outcome"]) == (400, "bad_request"), answer
    assert "source refused" in answer["message"]
    assert storaged.files == set()
    assert storaged.call("GET", "images") == (200, {"images": []})
    assert storaged.check() == (0, "0 findings\n")


def test_refused_source(storaged, directory):
    good = storaged.image_file()
    images = good.parent
    outside = directory / "outside.qcow2"
    good.rename(outside)
    (images / "link.qcow2").symlink_to(outside)
    os.mkfifo(images / "fifo.qcow2")
    (images / "sub").mkdir()
    (images / "closed.qcow2").write_bytes(outside.read_bytes())
    (images / "closed.qcow2").chmod(0o600)
    for source in (outside, images / "link.qcow2", images / "fifo.qcow2", images / "sub", images / "closed.qcow2",
                   f"{images}/../../outside.qcow2", f"{images}/sub/x", "a.qcow2", f"{images}/.", ""):
        answer = storaged.call("PUT", f"images/{AMI}", {"source": str(source)})
        assert outcome(answer) == (400, "bad_request"), (source, answer)
    assert outcome(put_image(storaged, images / "absent.qcow2")) == (404, "not_found")
    assert outcome(put_image(storaged, images / "closed.qcow2", sha256="x")) == (400, "bad_request")


def test_wrong_checksum(storaged):
    assert outcome(put_image(storaged, sha256="0" * 64)) == (400, "bad_request")
    assert storaged.files == set()


@pytest.mark.parametrize("options", [["-c"], ["-o", "compat=0.10"], ["-o", "cluster_size=512"],
                                     ["-o", "cluster_size=2M"], ["-o", "extended_l2=on,cluster_size=128k"],
                                     ["-c", "-o", "compression_type=zstd"], ["-o", "preallocation=metadata"]],
                         ids=" ".join)
def test_good_variants(storaged, options):
    path = storaged.image_file(options=options)
    status, image = put_image(storaged, path)
    assert status == 200, image
    layer = storaged.home / "store" / (image["layer"] + ".qcow2")
    qemu_img("compare", "-f", "qcow2", "-F", "qcow2", path, layer)


def endless_image(storaged):
    """A small file that takes long to copy: every cluster is the same one, compressed."""
    path = storaged.home / "images-src" / "slow.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", path, "2G")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -c -P 0 0 2M", path], check=True, capture_output=True)
    with path.open("r+b") as f:
        f.seek(40)
        f.seek(struct.unpack(">Q", f.read(8))[0])
        l2_offset = struct.unpack(">Q", f.read(8))[0] & 0x00fffffffffffe00
        f.seek(l2_offset)
        entry = f.read(8)
        f.seek(l2_offset)
        f.write(entry * 1024)
    os.truncate(path, 32 << 20)  # or it would be refused for what it unpacks to
    path.chmod(0o644)
    return path


def importing(storaged, path):
    """A thread that imports it, with a qemu-img that stands still; what was answered comes into the list. However quick they
    are, one of them is seen."""
    end = time.monotonic() + PATIENCE_S
    while True:
        answers = []
        thread = threading.Thread(target=try_to_import, args=(storaged, path, answers))
        thread.start()
        while thread.is_alive():
            if storaged.halted():
                return thread, answers
        assert time.monotonic() < end, answers
        storaged.call("DELETE", f"images/{AMI}")


def test_import_takes_too_long(directory):
    storaged = Storaged(directory, "import_timeout = 1\n")
    storaged.start()
    try:
        thread, answers = importing(storaged, endless_image(storaged))
        thread.join()
        assert outcome(answers[0]) == (400, "bad_request") and "within 1 s" in answers[0][1]["message"]
        assert storaged.files == set()
        end = time.monotonic() + PATIENCE_S
        while storaged.at_work():
            assert time.monotonic() < end, "the sandboxed program outlives its time"
            time.sleep(0.05)
    finally:
        storaged.stop()


def test_killed_daemon_takes_its_programs_along(storaged):
    thread, _ = importing(storaged, endless_image(storaged))
    storaged.kill()
    thread.join()
    storaged.start()  # waits for what the killed one left running
    assert not storaged.at_work()
    assert storaged.files == set()


# --- at once

def in_parallel(calls):
    answers = [None] * len(calls)

    def work(i):
        answers[i] = calls[i]()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_same_id_at_once(storaged):
    path = storaged.image_file()
    images = in_parallel([lambda: put_image(storaged, path)] * 6)
    assert all(answer == images[0] and answer[0] == 200 for answer in images)
    volumes = in_parallel([lambda: put_volume(storaged)] * 6)
    assert all(answer == volumes[0] and answer[0] == 200 for answer in volumes)
    assert len(storaged.files) == 2


def test_many_ids_at_once(storaged):
    assert put_image(storaged)[0] == 200
    answers = in_parallel([lambda n=n: put_volume(storaged, n) for n in range(24)])
    assert {status for status, _ in answers} == {200}
    assert len({volume["path"] for _, volume in answers}) == 24
    removals = [lambda n=n: storaged.call("DELETE", f"volumes/{vol(n)}") for n in range(24)]
    removals.append(lambda: storaged.call("DELETE", f"images/{AMI}"))
    assert {status for status, _ in in_parallel(removals)} == {200}
    assert storaged.files == set()
    assert storaged.check() == (0, "0 findings\n")


# --- the end of the process, of the disk, of the records

def work_until_killed(storaged, seed, done):
    """Make and remove volumes until the daemon is gone; done holds what was answered."""
    chance = random.Random(seed)
    while True:
        n = seed * 100 + chance.randrange(4)
        try:
            if chance.random() < 0.6:
                if put_volume(storaged, n)[0] == 200:
                    done[n] = True
            else:
                done.pop(n, None)
                if storaged.call("DELETE", f"volumes/{vol(n)}")[0] == 200:
                    done[n] = False
        except (OSError, http.client.HTTPException):
            done.pop(n, None)  # unknown: it may have happened
            return


def test_killed_at_any_time(storaged):
    path = storaged.image_file()
    assert put_image(storaged, path)[0] == 200
    chance = random.Random(1)
    for _ in range(12):
        states = [{}, {}, {}]
        threads = [threading.Thread(target=work_until_killed, args=(storaged, seed, states[seed]))
                   for seed in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.01, 0.25))  # the moment is what is being tried
        storaged.kill()
        for thread in threads:
            thread.join()
        storaged.start()
        assert storaged.check() == (0, "0 findings\n"), storaged.log()
        there = {v["id"] for v in storaged.call("GET", "volumes")[1]["volumes"]}
        for state in states:
            for n, exists in state.items():
                assert (vol(n) in there) == exists, "what was answered is true after the crash"
        assert len(storaged.files) == len(there) + 1


def try_to_import(storaged, path, answers):
    try:
        answers.append(put_image(storaged, path))
    except (OSError, http.client.HTTPException, ValueError):
        pass  # the daemon was killed meanwhile


def test_killed_during_import(storaged):
    path = storaged.image_file(options=["-c", "-o", "cluster_size=4096"])
    chance = random.Random(2)
    for _ in range(8):
        thread = threading.Thread(target=try_to_import, args=(storaged, path, []))
        thread.start()
        time.sleep(chance.uniform(0.0, 0.08))
        storaged.kill()
        thread.join()
        storaged.start()
        assert storaged.check() == (0, "0 findings\n"), storaged.log()
        assert len(storaged.files) == len(storaged.call("GET", "images")[1]["images"])
        storaged.call("DELETE", f"images/{AMI}")
    assert put_image(storaged, path)[0] == 200


def fill(path):
    """Take all that is left of the disk."""
    with pytest.raises(OSError):
        while True:
            with path.open("ab", buffering=0) as f:
                f.write(b"x" * 4096)


def test_full_disk(directory):
    home = directory / "h"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24M,mode=755", "none", home], check=True)
    storaged = Storaged(directory, "reserve_percent = 20\n")
    try:
        storaged.start()
        assert put_image(storaged)[0] == 200
        for n in range(4):
            assert put_volume(storaged, n)[0] == 200
        ballast = home / "ballast"
        with ballast.open("wb") as f:
            os.posix_fallocate(f.fileno(), 0, 14 << 20)
        status, answer = put_volume(storaged, 5)
        assert (status, answer["outcome"]) == (507, "no_capacity"), answer
        assert "MiB free" in answer["message"]
        fill(ballast)
        assert storaged.call("DELETE", f"volumes/{vol(0)}") == (200, {}), storaged.log()
        storaged.stop()
        fill(ballast)
        storaged.start()
        for n in range(1, 4):
            assert storaged.call("DELETE", f"volumes/{vol(n)}") == (200, {}), storaged.log()
        assert storaged.call("DELETE", f"images/{AMI}") == (200, {})
        assert storaged.files == set()
        ballast.unlink()
        assert storaged.check() == (0, "0 findings\n"), storaged.log()
    finally:
        storaged.stop()
        subprocess.run(["umount", "-l", home], check=True)


def test_check_finds(storaged):
    image = put_image(storaged)[1]
    volume = put_volume(storaged)[1]
    storaged.stop()
    store = storaged.home / "store"
    stray = store / "lay-0123456789abcdef0.qcow2"
    stray.write_bytes(b"somebody's data")
    (store / (image["layer"] + ".qcow2")).chmod(0o660)
    qemu_img("rebase", "-u", "-f", "qcow2", "-b", "", volume["path"])
    status, text = storaged.check()
    assert status == 1 and "3 findings" in text, text
    assert stray.name in text and "wrong mode" in text and "another backing file" in text
    storaged.start()
    assert stray.exists(), "a file without a record is reported, never removed"
    assert "no record of this file" in storaged.log()


def test_bad_configuration(directory):
    storaged = Storaged(directory, "reserve = 5\n")
    done = storaged.launcher("start-one", "storaged", check=False)
    assert done.returncode != 0
    assert "knows no reserve" in done.stderr and "minicloud.conf:2" in done.stderr
    assert storaged.launcher("status", check=False).returncode == 3


def test_socket_is_closed_to_others(storaged):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(storaged.run_dir / "storaged.sock"))
    done = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-c",
                           "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])",
                           str(storaged.run_dir / "storaged.sock")], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "PermissionError" in done.stderr
