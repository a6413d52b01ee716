#!/usr/bin/python3
"""storaged killed at every numbered point (common/crash.h) of what changes the store, one after the other.

usage: tests/integration/storaged/crash_sweep.py [--sample N [--seed N]] [--only WORD]

Needs `make crash-build` and root. Each trial prepares a store, asks for one thing while the daemon dies at its Nth point,
starts it again, asks once more as a client does, and reads everything back; then the store has to prove right and to
be empty when all has been deleted. N grows until nothing dies any more. --sample: so many trials, chosen
at random. Ends with "N passed, N failed".
"""

import argparse
import http.client
import os
import pathlib
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from qcow2_reader import CLUSTER, Chain  # noqa: E402  (the path above)
import storaged_daemon  # noqa: E402

ONE = "i-0123456789abcdef0"
PATIENCE_S = 60


def vol(n):
    return f"vol-{n:017x}"


def snap(n):
    return f"snap-{n:017x}"


class Trial:
    """A volume with a few snapshots, of which each holds one block more."""

    def __init__(self, directory):
        self.storaged = storaged_daemon.Storaged(directory)
        self.volumes, self.snapshots = {}, {}  # number: blocks it must hold
        self.path = None

    def start(self, die_at=None):
        if die_at is None:
            os.environ.pop("MINICLOUD_CRASH", None)
        else:
            os.environ["MINICLOUD_CRASH"] = str(die_at)
        self.storaged.launcher("start-one", "storaged")
        os.environ.pop("MINICLOUD_CRASH", None)

    def insist(self, method, path, body=None):
        end = time.monotonic() + PATIENCE_S
        while True:
            status, answer = self.storaged.call(method, path, body)
            if status == 200:
                return answer
            assert status == 503 and time.monotonic() < end, (method, path, status, answer)
            time.sleep(0.02)

    def write(self, blocks):
        """As a guest does, and closed again."""
        path = self.insist("POST", f"volumes/{vol(1)}/open", {"opener": ONE})["path"]
        words = [w for b in blocks for w in ("-c", f"write -P {b + 1} {b * CLUSTER} {CLUSTER}")]
        subprocess.run(["qemu-io", "-f", "qcow2", *words, path], check=True, stdout=subprocess.DEVNULL)
        self.insist("POST", f"volumes/{vol(1)}/close", {"opener": ONE})
        self.volumes[1] = self.volumes[1] | set(blocks)

    def prepare(self, snapshots=4):
        self.insist("PUT", f"volumes/{vol(1)}", {"size_gib": 1})
        self.volumes[1] = set()
        for n in range(snapshots):
            self.write([n])
            self.insist("PUT", f"snapshots/{snap(n)}", {"volume": vol(1)})
            self.snapshots[n] = set(self.volumes[1])
        self.write([snapshots])

    # --- what is done; asked once more after the death, as clients do

    def snapshot(self):
        self.insist("PUT", f"snapshots/{snap(50)}", {"volume": vol(1)})
        self.snapshots[50] = self.volumes[1]

    def snapshot_open(self):
        """Of a volume in use, whose QEMU switches."""
        self.insist("POST", f"volumes/{vol(1)}/open", {"opener": ONE})
        self.insist("PUT", f"snapshots/{snap(50)}", {"volume": vol(1)})
        self.insist("POST", f"snapshots/{snap(50)}/take", {})
        self.snapshots[50] = self.volumes[1]
        self.insist("POST", f"volumes/{vol(1)}/close", {"opener": ONE})

    def delete(self):
        """And what is merged because of it, to its end."""
        for n in (1, 2):
            self.insist("DELETE", f"snapshots/{snap(n)}")
            self.snapshots.pop(n, None)
        self.files(3)

    def delete_branches(self):
        """Of two branches: what the last common one leaves is borne by either, as --check finds."""
        self.insist("PUT", f"volumes/{vol(2)}", {"size_gib": 1, "snapshot": snap(2)})
        self.insist("PUT", f"snapshots/{snap(60)}", {"volume": vol(2)})
        self.volumes[2] = self.snapshots[60] = self.snapshots[2]
        for n in (2, 1, 3):
            self.insist("DELETE", f"snapshots/{snap(n)}")
            self.snapshots.pop(n, None)

    def delete_volume(self):
        self.insist("DELETE", f"volumes/{vol(1)}")
        self.volumes.pop(1, None)

    def pull(self):
        """The thirteenth file of a chain makes it too long."""
        self.insist("PUT", f"snapshots/{snap(50)}", {"volume": vol(1)})
        self.snapshots[50] = self.volumes[1]
        end = time.monotonic() + PATIENCE_S
        while len(self.insist("GET", f"volumes/{vol(1)}")["backing"]) > 1:
            assert time.monotonic() < end, "the chain stays long"
            time.sleep(0.02)

    def modify(self):
        self.insist("POST", f"volumes/{vol(1)}/grow", {"size_gib": 3})

    def share(self):
        """Into a raw file and back."""
        for shared in (True, False):
            assert self.insist("POST", f"volumes/{vol(1)}/share", {"shared": shared}).get("shared", False) is shared

    def restore(self):
        self.insist("PUT", f"volumes/{vol(2)}", {"size_gib": 2, "snapshot": snap(2), "opener": ONE})
        self.insist("POST", f"volumes/{vol(2)}/close", {"opener": ONE})
        self.volumes[2] = self.snapshots[2]

    def copy(self):
        self.insist("PUT", f"snapshots/{snap(50)}", {"copy": snap(3)})
        self.snapshots[50] = self.snapshots[3]

    # --- what must be

    def files(self, most):
        end = time.monotonic() + PATIENCE_S
        while len(self.storaged.files) > most:
            self.storaged.call("GET", "host")  # fails when it is dead, by whom nothing goes on
            assert time.monotonic() < end, self.storaged.files
            time.sleep(0.05)

    def read_back(self):
        store = self.storaged.home / "store"
        layers = {v["id"]: v["layer"] for noun in ("volumes", "snapshots") for v in self.storaged.call("GET", noun)[1][noun]}
        wanted = {vol(n): b for n, b in self.volumes.items()} | {snap(n): b for n, b in self.snapshots.items()}
        assert set(layers) == set(wanted), (layers, wanted)
        for name, blocks in wanted.items():
            with Chain(str(store / (layers[name] + ".qcow2"))) as chain:
                assert len(chain.layers) <= 16
                for b in range(20):
                    value = chain.read(b)
                    assert value == bytes([b + 1 if b in blocks else 0]) * CLUSTER, (name, b, value[:1])

    def gone(self):
        """The connection ends a moment before the process does."""
        end = time.monotonic() + PATIENCE_S
        while self.storaged.launcher("pid", "storaged", check=False).returncode == 0:
            assert time.monotonic() < end, "it lives, and does not do what it is asked for"
            time.sleep(0.02)

    def prove(self):
        self.storaged.stop()
        assert self.storaged.check() == (0, "0 findings\n"), self.storaged.check()
        self.start()
        self.read_back()
        for n in self.volumes:
            self.insist("DELETE", f"volumes/{vol(n)}")
        for n in self.snapshots:
            self.insist("DELETE", f"snapshots/{snap(n)}")
        self.files(0)


ACTIONS = [(Trial.snapshot, 4), (Trial.snapshot_open, 4), (Trial.delete, 4), (Trial.delete_branches, 4), (Trial.delete_volume, 2), (Trial.pull, 10),
           (Trial.modify, 2), (Trial.share, 2), (Trial.restore, 4), (Trial.copy, 4)]


def attempt(action, snapshots, n):
    """Did it die? Raises where anything was lost."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sw", dir="/tmp"))
    directory.chmod(0o755)
    trial = Trial(directory)
    try:
        trial.start()
        trial.prepare(snapshots)
        trial.storaged.stop()
        kept = dict(trial.volumes), dict(trial.snapshots)
        died = False
        try:
            trial.start(die_at=n)
            action(trial)
            trial.storaged.call("GET", "host")  # or it died when all had been answered
        except (OSError, http.client.HTTPException, ValueError, AssertionError):
            trial.gone()
            died = True
        if died:
            trial.volumes, trial.snapshots = kept
            trial.start()
            action(trial)
        trial.storaged.stop()
        trial.start()
        trial.prove()
        return died
    except BaseException:
        print(trial.storaged.log()[-3000:])
        raise
    finally:
        trial.storaged.launcher("stop-one", "storaged", check=False)
        shutil.rmtree(directory, ignore_errors=True)


def sweep(only):
    passed = failed = 0
    for action, snapshots in ACTIONS:
        n, died = 0, True
        while died and (not only or only in action.__name__):
            n += 1
            try:
                died = attempt(action, snapshots, n)
                passed += 1
            except Exception as e:  # pylint: disable=broad-except  # whatever it was, it is reported
                failed += 1
                print(f"{action.__name__}, killed at point {n}: {type(e).__name__}: {e}", flush=True)
                if failed > 5:
                    return passed, failed
        print(f"{action.__name__}: {n} points", flush=True)
    return passed, failed


def sample(count, seed):
    print(f"seed {seed}", flush=True)
    chance, passed, failed = random.Random(seed), 0, 0
    for _ in range(count):
        (action, snapshots), n = chance.choice(ACTIONS), chance.randrange(1, 120)
        try:
            attempt(action, snapshots, n)
            passed += 1
        except Exception as e:  # pylint: disable=broad-except  # as above
            failed += 1
            print(f"{action.__name__}, killed at point {n}: {type(e).__name__}: {e}", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10 ** 6))
    parser.add_argument("--only")
    options = parser.parse_args()
    storaged_daemon.BUILD = storaged_daemon.ROOT / "build-crash"
    passed, failed = sample(options.sample, options.seed) if options.sample else sweep(options.only)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
