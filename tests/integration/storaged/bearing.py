"""Who bears which of the stored blocks, reckoned anew from the files and the order of the snapshots alone."""

import contextlib
import os
import sqlite3
import struct
import time

CLUSTER = 64 << 10
OFFSET = 0x00fffffffffffe00


def entries(file, at, n):
    return struct.unpack(f">{n}Q", os.pread(file, 8 * n, at).ljust(8 * n, b"\0"))


class Files:
    """The tables of layers, each read once: {cluster: has it data (else it is zeros)}, what it stands on, and its size."""

    def __init__(self):
        self.read = {}

    def layer(self, path):
        if path not in self.read:
            self.read[path] = self.tables(path)
        return self.read[path]

    @staticmethod
    def tables(path):
        with open(path, "rb") as f:
            header = f.read(4096)
            _, _, at, length, bits, size = struct.unpack_from(">IIQIIQ", header)
            assert bits == 16, path
            below = header[at:at + length].decode() if at else None
            l1_size, l1 = struct.unpack_from(">IQ", header, 36)
            found = {}
            for i, table in enumerate(entries(f.fileno(), l1, l1_size)):
                for c, entry in enumerate(entries(f.fileno(), table & OFFSET, 8192) if table & OFFSET else ()):
                    assert not entry >> 62 & 1, f"{path}: compressed"
                    if entry & 1 or entry & OFFSET:
                        found[i * 8192 + c] = not entry & 1
        return found, below and os.path.join(os.path.dirname(path), below), size

    def blocks(self, path):
        """The stored blocks that a reader of this layer sees: {(file, cluster)}."""
        seen, end = {}, None
        while path:
            found, below, size = self.layer(path)
            for cluster, data in found.items():
                if cluster not in seen and (end is None or cluster < end):
                    seen[cluster] = (path, cluster) if data else None
            end = min(end, -(-size // CLUSTER)) if end is not None else -(-size // CLUSTER)
            path = below
        return {block for block in seen.values() if block}


def borne(snapshots, free=frozenset()):
    """[(id, owner, path of its layer)] in the order in which they were taken -> {id: bytes}. free: blocks that an image bears."""
    files, taken, result = Files(), {}, {}
    for name, owner, path in snapshots:
        blocks = files.blocks(path) - free
        result[name] = len(blocks - taken.setdefault(owner, set())) * CLUSTER
        taken[owner] |= blocks
    return result


def merging(storaged):
    """In the middle of a merge data are in two files, and headers name either."""
    with contextlib.closing(sqlite3.connect(storaged.home / "storaged" / "storaged.db")) as records:
        return records.execute("SELECT count(*) FROM merges").fetchone()[0] > 0


def between_merges(storaged, ask, free=frozenset(), patience=300):
    """(What storaged says, what the files say), {id: bytes} each. ask(): that, and [(id, owner, path)] as for borne()."""
    end = time.monotonic() + patience
    while True:
        found, before = None, (ask(), sorted(storaged.files))
        with contextlib.suppress(FileNotFoundError):
            found = None if merging(storaged) else borne(before[0][1], free)
        if found is not None and not merging(storaged) and (ask(), sorted(storaged.files)) == before:
            return before[0][0], found
        assert time.monotonic() < end, "it is merged all the time"
        time.sleep(0.01)
