#!/usr/bin/python3
"""Random operations on storaged, against a model that knows what every volume and snapshot must read.

usage: tests/integration/storaged/model.py [--operations N] [--seeds N] [--seed FIRST]

After every operation every volume and snapshot is read, by a reader of our own and now and then by qemu-io; at
the end of each seed everything is deleted, and nothing may be left. QEMUs are played by qemu-io and
qemu-img; storaged's janitor merges meanwhile, and is killed now and then. Needs root and the build, no
namespaces. A seed says all operations, but not how storaged's own merges go meanwhile.
"""

import argparse
import array
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bearing  # noqa: E402  (the path above)
from qcow2_reader import CLUSTER, SECTOR, Chain  # noqa: E402  (the path above)
from storaged_daemon import PATIENCE_S, Storaged  # noqa: E402

BLOCKS = 96       # clusters that are written to, of the 16,384 of a GiB
OPENER = "i-0123456789abcdef0"
OWNERS = ("111111111111/here", "111111111111/there", "222222222222/here")
KMS_KEYS = ("01234567-89ab-4cde-8123-456789abcdef", "fedcba98-7654-4321-8fed-cba987654321")
ALL_SECTORS = range(CLUSTER // SECTOR)


def content(value):
    """A cluster of this value; 0 is nothing."""
    return bytes([value]) * CLUSTER


class Object:
    """A volume or a snapshot: what it must read, by cluster; what is not there reads as nothing."""

    def __init__(self, number, size, data=None):
        self.number, self.size, self.data = number, size, dict(data or {})
        self.owner = None     # of a snapshot
        self.kms = self.secret = None  # of an encrypted one: its KMS key, and the passphrase of its files
        self.open = False
        self.prepared = None  # of a volume: its snapshot that waits for the QEMU's switch
        self.path = None      # of an open volume: what its QEMU writes to

    def encrypted_as(self, other):
        self.kms, self.secret = other.kms, other.secret
        return self

    def digest(self):
        return hashlib.sha256(repr(sorted((k, v) for k, v in self.data.items() if v)).encode()).hexdigest()


class Property:
    def __init__(self, storaged, seed, log):
        self.storaged, self.seed, self.log = storaged, seed, log
        self.draw_anew(0)
        self.volumes, self.snapshots, self.number = {}, {}, 0
        self.done = {}

    def draw_anew(self, number):
        """Of each operation alone: how often another one drew, and how often was looked, has to do with merges and their time."""
        self.chance, self.eye = (random.Random(f"{self.seed} {number} {what}") for what in ("do", "look"))

    # --- asking

    @staticmethod
    def vol(n):
        return f"vol-{n:017x}"

    @staticmethod
    def snap(n):
        return f"snap-{n:017x}"

    def insist(self, method, path, body=None, killed=False):
        """Until it is done, through what is busy and through the daemon's death; the answer."""
        end = time.monotonic() + PATIENCE_S
        if killed:
            self.kill_during(method, path, body)
        while True:
            status, answer = self.storaged.call(method, path, body)
            if status == 200:
                return answer
            assert status == 503, (method, path, body, status, answer)
            assert time.monotonic() < end, (method, path, answer)
            self.stop_merges()
            time.sleep(0.02)

    def kill_during(self, method, path, body):
        def call():
            try:
                self.storaged.call(method, path, body)
            except (OSError, http.client.HTTPException, ValueError):
                pass
        thread = threading.Thread(target=call)
        thread.start()
        time.sleep(self.chance.choice([0, 0.002, 0.005, 0.01, 0.02, 0.04]))  # the moment is what is being tried
        self.storaged.kill()
        thread.join()
        self.storaged.start()

    def stop_merges(self):
        """What a hypervisor does with merges that somebody waits for."""
        for volume in self.volumes.values():
            if volume.open:
                self.storaged.call("POST", f"volumes/{self.vol(volume.number)}/merge/settle", {"done": False})

    def pick(self, things, where=lambda x: True):
        found = sorted((x for x in things.values() if where(x)), key=lambda x: x.number)
        return self.chance.choice(found) if found else None

    def pick_owner(self):
        return self.chance.choices(OWNERS, (8, 1, 1))[0]

    def key_of(self, volume):
        """Of an open, encrypted volume: its passphrase, over the descriptor socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.storaged.run_dir / "storaged-fd.sock"))
            connection.sendall(json.dumps({"op": "key", "volume": self.vol(volume)}).encode() + b"\n")
            line, control, *_ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        assert control, line
        fd = array.array("i", control[0][2])[0]
        try:
            return os.pread(fd, 200, 0)
        finally:
            os.close(fd)

    def learn(self, volume):
        """The passphrase of one that nobody has open."""
        self.insist("POST", f"volumes/{self.vol(volume)}/open", {"opener": OPENER})
        secret = self.key_of(volume)
        self.insist("POST", f"volumes/{self.vol(volume)}/close", {"opener": OPENER})
        return secret

    @staticmethod
    def name(path, secret):
        """What a QEMU is told of a chain, and its options: the path, or all files each with its key."""
        if not secret:
            return path, ["-f", "qcow2"]
        top = None
        with Chain(path, secret) as chain:
            for layer in reversed(chain.layers):
                node = {"driver": "qcow2", "file": {"driver": "file", "filename": str(layer.path)},
                        "encrypt": {"format": "luks", "key-secret": "k"}, "backing": top}
                top = node if top else {k: v for k, v in node.items() if k != "backing"}
        return "json:" + json.dumps(top), []

    @staticmethod
    def tool(*words, secret=None):
        """words: the program and its verb's options; {secret} where the object is to be named."""
        read = -1
        if secret:
            read, write = os.pipe()
            os.write(write, secret)
            os.close(write)
            at = 2 if str(words[0]) == "qemu-img" else 1
            words = [*words[:at], "--object", f"secret,id=k,file=/dev/fd/{read}", *words[at:]]
        try:
            done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False, pass_fds=[read] if secret else [])
        finally:
            if secret:
                os.close(read)
        if "No such file" in done.stderr:
            raise FileNotFoundError(done.stderr)  # merged away between its being found and opened
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def qemu_io(self, path, commands, *options, secret=None):
        words = [w for c in commands for w in ("-c", c)]
        name, driver = self.name(path, secret)
        out = self.tool("qemu-io", *options, *driver, *words, name, secret=secret)
        assert "failed" not in out, (commands, out)

    # --- operations; each returns what it was, or False where there is nothing to do it to

    def create(self, killed):
        if len(self.volumes) >= 4:
            return False
        self.number += 1
        source = self.pick(self.snapshots) if self.chance.random() < 0.7 else None
        size = max(source.size if source else 1, self.chance.choice([1, 1, 2]))
        body = {"size_gib": size}
        if source:
            body["snapshot"] = self.snap(source.number)
        kms = self.chance.choice([None, None, *KMS_KEYS])
        if kms:
            body["kms_key"] = kms
        self.insist("PUT", f"volumes/{self.vol(self.number)}", body, killed)
        made = self.volumes[self.number] = Object(self.number, size, source and source.data)
        if source:
            made.encrypted_as(source)
        if kms and kms != made.kms:
            made.kms, made.secret = kms, self.learn(self.number)
        return "create encrypted" if made.secret else "create"

    def open(self, killed):
        volume = self.pick(self.volumes, lambda v: not v.open)
        if not volume:
            return False
        answer = self.insist("POST", f"volumes/{self.vol(volume.number)}/open", {"opener": OPENER}, killed)
        volume.open, volume.path = True, answer["path"]
        return True

    def close(self, killed):
        volume = self.pick(self.volumes, lambda v: v.open)
        if not volume:
            return False
        self.insist("POST", f"volumes/{self.vol(volume.number)}/close", {"opener": OPENER}, killed)
        self.closed(volume)
        return True

    def closed(self, volume):
        """Whether its QEMU had switched or not, what was prepared is taken sooner or later."""
        volume.open, volume.path = False, None
        if volume.prepared:
            self.settle(volume)

    def settle(self, volume):
        snapshot, volume.prepared = volume.prepared, None
        answer = self.insist("PUT", f"snapshots/{self.snap(snapshot.number)}", {"volume": self.vol(volume.number)})
        assert answer["state"] == "available"
        self.snapshots[snapshot.number] = snapshot

    def write(self, _, volume=None):
        volume = volume or self.pick(self.volumes, lambda v: v.open) or self.pick(self.volumes)
        if not volume:
            return False
        was_open = volume.open
        if not was_open:
            answer = self.insist("POST", f"volumes/{self.vol(volume.number)}/open", {"opener": OPENER})
            volume.path = answer["path"]
        commands = []
        for _ in range(self.chance.randrange(1, 9)):
            block = self.chance.randrange(BLOCKS) + (16384 if volume.size > 1 and self.chance.random() < 0.2 else 0)
            value = self.chance.choice([0, *range(1, 256)])
            at = f"{block * CLUSTER} {CLUSTER}"
            commands.append(f"write -z {at}" if value == 0 else f"write -P {value} {at}")
            volume.data[block] = value
        self.qemu_io(volume.path, commands, secret=volume.secret)
        if not was_open:
            self.insist("POST", f"volumes/{self.vol(volume.number)}/close", {"opener": OPENER})
            volume.path = None
        return True

    def snapshot(self, killed, volume=None):
        wanted, volume = volume, volume or self.pick(self.volumes, lambda v: not v.prepared)
        if not volume or (len(self.snapshots) >= 24 and not wanted):
            return False
        self.number += 1
        snapshot = Object(self.number, volume.size, volume.data).encrypted_as(volume)
        snapshot.owner = self.pick_owner()
        answer = self.insist("PUT", f"snapshots/{self.snap(self.number)}", {"volume": self.vol(volume.number), "owner": snapshot.owner}, killed)
        if answer["state"] == "available":
            assert not volume.open
            self.snapshots[self.number] = snapshot
            return True
        volume.prepared = snapshot
        if self.chance.random() < 0.3:  # the guest writes on until its QEMU switches
            self.write_to(volume, snapshot)
        volume.path = answer["path"]
        return True

    def write_to(self, volume, snapshot):
        block, value = self.chance.randrange(BLOCKS), self.chance.randrange(1, 256)
        self.qemu_io(volume.path, [f"write -P {value} {block * CLUSTER} {CLUSTER}"], secret=volume.secret)
        volume.data[block] = snapshot.data[block] = value

    def deepen(self, killed):
        """Snapshots one after the other, until the chain is long enough to be pulled together: by its QEMU, or when it is closed."""
        volume = self.pick(self.volumes, lambda v: v.open and not v.prepared)
        if not volume or len(self.snapshots) > 10:
            return False
        while len(self.storaged.call("GET", f"volumes/{self.vol(volume.number)}")[1]["backing"]) < 12:
            self.write(killed, volume)
            self.snapshot(killed, volume)
            self.take(killed, volume)
        return "deepen, then " + self.merge(killed, volume)

    def take(self, killed, volume=None):
        volume = volume or self.pick(self.volumes, lambda v: v.prepared and v.open)
        if not volume:
            return False
        self.insist("POST", f"snapshots/{self.snap(volume.prepared.number)}/take", {}, killed)
        self.snapshots[volume.prepared.number] = volume.prepared
        volume.prepared = None
        return True

    def copy(self, killed):
        source = self.pick(self.snapshots)
        if not source or len(self.snapshots) >= 24:
            return False
        self.number += 1
        kms = self.chance.choice([None, *KMS_KEYS])
        owner = self.pick_owner()
        body = {"copy": self.snap(source.number), "owner": owner, **({"kms_key": kms} if kms else {})}
        self.insist("PUT", f"snapshots/{self.snap(self.number)}", body, killed)
        made = self.snapshots[self.number] = Object(self.number, source.size, source.data).encrypted_as(source)
        made.owner = owner
        if kms and kms != source.kms:
            made.kms, made.secret = kms, self.learn_of_snapshot(made)
        return "copy re-encrypted" if kms and kms != source.kms else "copy"

    def learn_of_snapshot(self, snapshot):
        """By a volume of it."""
        self.number += 1
        volume = f"volumes/{self.vol(self.number)}"
        self.insist("PUT", volume, {"size_gib": snapshot.size, "snapshot": self.snap(snapshot.number)})
        secret = self.learn(self.number)
        self.insist("DELETE", volume)
        return secret

    def delete_snapshot(self, killed):
        snapshot = self.pick(self.snapshots)
        if not snapshot:
            return False
        self.insist("DELETE", f"snapshots/{self.snap(snapshot.number)}", None, killed)
        del self.snapshots[snapshot.number]
        return True

    def delete_volume(self, killed):
        volume = self.pick(self.volumes, lambda v: not v.open)
        if not volume or (len(self.volumes) < 3 and self.chance.random() < 0.7):
            return False
        self.insist("DELETE", f"volumes/{self.vol(volume.number)}", None, killed)
        del self.volumes[volume.number]
        return True

    def grow(self, killed):
        volume = self.pick(self.volumes, lambda v: not v.prepared and v.size < 4)
        if not volume:
            return False
        path, body = f"volumes/{self.vol(volume.number)}/grow", {"size_gib": volume.size + 1}
        answer = self.insist("POST", path, body, killed)
        if volume.open and "growing_gib" in answer:
            name, driver = self.name(volume.path, volume.secret)
            self.tool("qemu-img", "resize", "-q", *driver, name, f"{volume.size + 1}G", secret=volume.secret)
            answer = self.insist("POST", path, body, killed)
        assert "growing_gib" not in answer
        volume.size += 1
        return True

    def merge(self, killed, volume=None):
        """Play the QEMU that storaged asks to merge: to the end, or not."""
        volume = volume or self.pick(self.volumes, lambda v: v.open and not v.prepared)
        if not volume:
            return False
        path = f"volumes/{self.vol(volume.number)}/merge"
        merge = self.insist("POST", path, {}, killed)
        if merge["state"] == "none":
            return "merge nothing"
        done = not merge["unwanted"] and self.chance.random() < 0.8
        if done:
            self.play(volume, merge)
        answer = self.insist("POST", path + "/settle", {"done": done}, killed)
        assert answer["state"] in (("done", "none") if done else ("given up", "none")), (merge, answer)
        return f"{merge['kind']}{' encrypted' if volume.secret else ''}{'' if done else ' given up'}"

    def play(self, volume, merge):
        if merge["kind"] == "pull":
            name, driver = self.name(volume.path, volume.secret)
            base, _ = self.name(merge["base"], volume.secret)
            self.tool("qemu-img", "rebase", "-q", *driver, "-F", "qcow2", "-b", base, name, secret=volume.secret)
            if volume.secret:  # a header takes what the base was opened by
                self.rename(volume.path, merge["base"], volume.secret)
            return
        chain = [volume.path, *self.storaged.call("GET", f"volumes/{self.vol(volume.number)}")[1]["backing"]]
        above = chain[chain.index(merge["top"]) - 1]
        name, driver = self.name(merge["top"], volume.secret)
        self.tool("qemu-img", "commit", "-q", "-d", *driver, name, secret=volume.secret)
        self.rename(above, merge["base"], volume.secret)

    def rename(self, path, base, secret):
        driver = ["-f", "qcow2"]
        name = path
        if secret:
            driver, name = [], "json:" + json.dumps({"driver": "qcow2", "file": {"driver": "file", "filename": str(path)},
                                                     "encrypt": {"format": "luks", "key-secret": "k"}})
        self.tool("qemu-img", "rebase", "-q", "-u", *driver, "-F", "qcow2", "-b", base, name, secret=secret)

    def kill(self, _):
        self.storaged.kill()
        self.storaged.start()
        return True

    def check(self, _):
        """The store proves right while nobody works on it; now and then its records are lost then, and made anew."""
        self.storaged.stop()
        assert self.storaged.check() == (0, "0 findings\n"), self.storaged.check()
        if self.chance.random() < 0.3:
            for path in (self.storaged.home / "storaged").glob("storaged.db*"):
                path.unlink()
            done = self.storaged.check("--repair")
            assert done == (0, "the records have been made anew; 0 findings\n"), done
        self.storaged.start()
        return True

    OPERATIONS = ([(write, 8), (snapshot, 5), (take, 5), (delete_snapshot, 4), (create, 3), (open, 3), (close, 3), (merge, 3),
                   (delete_volume, 1), (grow, 1), (copy, 1), (kill, 1), (check, 1), (deepen, 0.5)])

    # --- looking

    def where(self):
        """The file that each thing begins at."""
        volumes = {v["id"]: v["path"] for v in self.storaged.call("GET", "volumes")[1]["volumes"]}
        layers = {s["id"]: s for s in self.storaged.call("GET", "snapshots")[1]["snapshots"]}
        store = self.storaged.home / "store"
        for number, volume in self.volumes.items():
            assert self.vol(number) in volumes, number
            yield volume, volume.path or volumes[self.vol(number)]
        for number, snapshot in self.snapshots.items():
            assert layers[self.snap(number)]["size_gib"] == snapshot.size
            yield snapshot, str(store / (layers[self.snap(number)]["layer"] + ".qcow2"))

    def look(self, thing, path):
        with Chain(path, thing.secret) as chain:
            assert chain.layers[0].size == thing.size << 30 or thing.number in self.snapshots, (thing.number, thing.size)
            assert len(chain.layers) <= 16, len(chain.layers)
            for block in sorted({*thing.data, *(self.eye.randrange(BLOCKS) for _ in range(4))}):
                value = thing.data.get(block, 0)
                sectors = self.eye.sample(ALL_SECTORS, 2) if thing.secret else ALL_SECTORS  # by_qemu: all of them
                data = chain.read(block, sectors)
                assert data == content(value)[:len(data)], (thing.number, block, value, data[:1])

    def read(self, thing, path, by_qemu):
        self.look(thing, path)
        if by_qemu:
            commands = [f"read -P {v} {b * CLUSTER} {CLUSTER}" for b, v in thing.data.items()]
            self.qemu_io(path, commands or ["read -P 0 0 64k"], "-r", "-U", secret=thing.secret)

    def read_settled(self, thing, path, by_qemu):
        """While storaged pulls a closed volume together its file is nobody's to read: qemu-img 7.2 names the new base before it has
        written all tables (storaged opens it to nobody then, and puts the name back where that was not the end)."""
        for last in (False, False, True):
            try:
                return self.read(thing, path, by_qemu)
            except AssertionError:
                if last or thing.open or thing.number not in self.volumes:
                    raise
                self.await_no_merge()

    def await_no_merge(self):
        end = time.monotonic() + PATIENCE_S
        while bearing.merging(self.storaged):
            assert time.monotonic() < end, "it is merged all the time"
            time.sleep(0.01)

    def verify(self, by_qemu):
        """A chain that is being merged changes its files while it is read: then it is read again."""
        end = time.monotonic() + PATIENCE_S
        for _ in range(1 << 20):
            try:
                for thing, path in self.where():
                    self.read_settled(thing, path, by_qemu)
                return
            except FileNotFoundError as e:
                if time.monotonic() > end:
                    raise AssertionError(f"{thing.number} open={thing.open} prepared={thing.prepared} {path}: {e}") from None
                time.sleep(0.01)

    def layers(self):
        """What each snapshot bears by storaged; their owners and files, in the order in which they were taken."""
        rows = {s["id"]: s for s in self.storaged.call("GET", "snapshots")[1]["snapshots"] if s["state"] == "available"}
        store = self.storaged.home / "store"
        return ({self.snap(n): rows[self.snap(n)]["bytes"] for n in self.snapshots},
                [(self.snap(n), s.owner, str(store / (rows[self.snap(n)]["layer"] + ".qcow2"))) for n, s in self.snapshots.items()])

    def check_bearing(self):
        """Each stored block that a snapshot shows is borne once by each owner, by the snapshot that was taken first. Between two merges:
        what storaged says does not change by them."""
        said, found = bearing.between_merges(self.storaged, self.layers)
        assert said == found, {k: (said[k], v) for k, v in found.items() if said[k] != v}

    def step(self):
        while True:
            operation = self.chance.choices(*zip(*self.OPERATIONS))[0]
            killed = self.chance.random() < 0.03
            what = operation(self, killed)
            if what:
                break
        name = (what if isinstance(what, str) else operation.__name__) + (" killed" if killed and operation not in (Property.write, Property.kill, Property.check) else "")
        self.done[name] = self.done.get(name, 0) + 1
        return name

    def tidy(self):
        for volume in list(self.volumes.values()):
            if volume.open:
                self.insist("POST", f"volumes/{self.vol(volume.number)}/close", {"opener": OPENER})
                self.closed(volume)
            self.insist("DELETE", f"volumes/{self.vol(volume.number)}")
        for number in list(self.snapshots):
            self.insist("DELETE", f"snapshots/{self.snap(number)}")
        end = time.monotonic() + PATIENCE_S
        while self.storaged.files:
            assert time.monotonic() < end, self.storaged.files
            time.sleep(0.05)
        self.storaged.stop()
        assert self.storaged.check() == (0, "0 findings\n"), self.storaged.check()
        self.storaged.start()

    def run(self, operations):
        for n in range(operations):
            self.draw_anew(n)
            name = self.step()
            self.verify(by_qemu=n % 25 == 24)
            if n % 4 == 3:
                self.check_bearing()
            digests = [x.digest()[:8] for x in (*self.volumes.values(), *self.snapshots.values())]
            self.log(f"{n} {name}: {len(self.volumes)} volumes, {len(self.snapshots)} snapshots {' '.join(digests)}")
        self.verify(by_qemu=True)
        self.tidy()
        return self.done


def run_seed(seed, operations, log=lambda text: None):
    """One seed on a storaged of its own; how often each operation was done."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sp", dir="/tmp"))
    directory.chmod(0o755)
    storaged = Storaged(directory)
    storaged.start()
    try:
        return Property(storaged, seed, log).run(operations)
    except BaseException:
        log(storaged.log()[-20000:])
        records = sqlite3.connect(storaged.home / "storaged" / "storaged.db")
        for table in ("layers", "volumes", "snapshots", "opens", "merges"):
            log(f"{table}: {records.execute(f'SELECT * FROM {table}').fetchall()}")
        raise
    finally:
        storaged.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--operations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    total = {}
    for seed in range(options.seed, options.seed + options.seeds):
        lines = []
        try:
            done = run_seed(seed, options.operations, print if options.verbose else lines.append)
        except BaseException:
            print("\n".join(lines[-80:]))
            print(f"failed; again: model.py --seed {seed} --seeds 1 --operations {options.operations}")
            raise
        for name, n in done.items():
            total[name] = total.get(name, 0) + n
        print(f"seed {seed}: {sum(done.values())} operations", flush=True)
    print(", ".join(f"{n} x {name}" for name, n in sorted(total.items(), key=lambda x: -x[1])))
    print(f"{sum(total.values())} operations, all read back")


if __name__ == "__main__":
    sys.exit(main())
