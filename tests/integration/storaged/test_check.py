"""--check finds whatever has been corrupted, and says where; --repair makes the records anew from what is in the files."""

import os
import shutil
import sqlite3
import struct
import subprocess

import pytest

from qcow2_reader import CLUSTER, Layer
from test_merges import rounds  # noqa: F401  (a fixture)
from test_snapshots import put_snapshot, snap, wait
from test_storaged import qemu_img, vol
from test_volumes import use

STRAY = "lay-0123456789abcdef0"


class Store:
    """The store of a stopped storaged, and its copy to go back to."""

    def __init__(self, storaged):
        self.storaged, self.store = storaged, storaged.home / "store"
        self.database = storaged.home / "storaged" / "storaged.db"
        self.volume = self.one("SELECT layer FROM volumes")
        self.layers = {n: self.one(f"SELECT layer FROM snapshots WHERE id = '{snap(n)}'") for n in range(8)}
        self.kept = storaged.home.parent / "kept"
        self.kept.mkdir()
        for part in ("store", "storaged"):
            subprocess.run(["cp", "-a", storaged.home / part, self.kept / part], check=True)

    def go_back(self):
        for part in ("store", "storaged"):
            shutil.rmtree(self.storaged.home / part)
            subprocess.run(["cp", "-a", self.kept / part, self.storaged.home / part], check=True)

    def one(self, sql):
        return self.sql(sql)[0][0]

    def sql(self, text):
        records = sqlite3.connect(self.database)
        rows = records.execute(text).fetchall()
        records.commit()
        records.close()
        return rows

    def path(self, layer):
        return self.store / f"{layer}.qcow2"

    def poke(self, layer, at, data):
        with self.path(layer).open("r+b") as f:
            f.seek(at)
            f.write(data)

    def l2_entry(self, layer):
        """Where the first entry is of the first table of the second level."""
        it = Layer(self.path(layer))
        try:
            return struct.unpack(">Q", os.pread(it.file, 8, it.l1))[0] & 0x00fffffffffffe00
        finally:
            it.close()


# --- the graph

def loop(s):
    s.sql(f"UPDATE layers SET parent = '{s.layers[1]}' WHERE id = '{s.layers[0]}'")


def other_parent(s):
    s.sql(f"UPDATE layers SET parent = '{s.layers[1]}' WHERE id = '{s.layers[3]}'")


def other_state(s):
    s.sql(f"UPDATE layers SET state = 'ready' WHERE id = '{s.layers[2]}'")


def other_size(s):
    s.sql(f"UPDATE layers SET virtual_bytes = virtual_bytes / 2 WHERE id = '{s.layers[2]}'")


def half_made(s):
    s.sql(f"UPDATE layers SET state = 'deleting' WHERE id = '{s.layers[2]}'")


# --- headers

def other_backing(s):
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", s.path(s.layers[0]).name, s.path(s.layers[2]))


def no_header(s):
    s.poke(s.layers[2], 0, b"\0" * 8)


def marked(s):
    s.poke(s.layers[2], 72, struct.pack(">Q", 2))


def resized(s):
    s.poke(s.layers[2], 24, struct.pack(">Q", (1 << 30) - 512))


# --- what is allocated

def truncated(s):
    os.truncate(s.path(s.layers[2]), s.path(s.layers[2]).stat().st_size - 2 * CLUSTER)


def cluster_lost(s):
    """Of two entries of the table (a round's own block, and the one that all write) one is gone."""
    s.poke(s.layers[2], s.l2_entry(s.layers[2]) + 8 * 2 * (1 << 20) // CLUSTER, bytes(8))


def written_to(s):
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 700M 64k", s.path(s.layers[2])], check=True, stdout=subprocess.DEVNULL)


def another_layers_file(s):
    """A file of the same size and on the same one, as of an older copy of the store."""
    path = s.path(s.layers[2])
    mode = path.stat()
    path.unlink()
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", s.path(s.layers[1]).name, path, "1G")
    os.chown(path, mode.st_uid, mode.st_gid)
    path.chmod(0o440)


def entry_outside(s):
    s.poke(s.layers[2], s.l2_entry(s.layers[2]) + 8 * 2 * (1 << 20) // CLUSTER, struct.pack(">Q", 1 << 63 | 1 << 40))


def tables_of_the_top(s):
    s.poke(s.volume, s.l2_entry(s.volume), struct.pack(">Q", 1 << 63 | 1 << 40))


# --- orphans

def stray_file(s):
    s.path(STRAY).write_bytes(b"somebody's data")


def file_gone(s):
    s.path(s.layers[2]).unlink()


def nobodys_top(s):
    s.sql("DELETE FROM volumes")


def nobodys_document(s):
    (s.store / "owners" / f"{snap(99)}.json").write_text("{}")


def other_document(s):
    (s.store / "owners" / f"{snap(3)}.json").write_text("{}")


def other_mode(s):
    s.path(s.layers[2]).chmod(0o660)


def bears_more(store):
    store.sql(f"UPDATE snapshots SET inherited = inherited + {CLUSTER} WHERE id = '{snap(3)}'")


def bears_less(store):
    store.sql(f"UPDATE snapshots SET bytes = 0 WHERE id = '{snap(2)}'")


HARMS = {  # which layer, or what else, is named; and what is said of it
    loop: (0, "no base"), other_parent: (3, "another backing file"), other_state: (2, "not frozen"), other_size: (2, "another size"),
    half_made: (2, "half-made"),
    other_backing: (2, "another backing file"), no_header: (2, "no qcow2 file"), marked: (2, "marked corrupt"), resized: (2, "another size"),
    truncated: (2, "outside the file"), cluster_lost: (2, "bytes are allocated in it"), written_to: (2, "bytes are allocated in it"),
    another_layers_file: (2, "0 bytes are allocated in it"), entry_outside: (2, "outside the file"), tables_of_the_top: ("top", "outside the file"),
    stray_file: (STRAY, "no record of this file"), file_gone: (2, "missing"), nobodys_top: ("top", "no volume has"),
    nobodys_document: (snap(99), ""), other_document: (snap(3), ""), other_mode: (2, "wrong mode"),
    bears_more: (snap(3), "by the records"), bears_less: (snap(2), "by the records"),
}
OF_RECORDS = (loop, other_parent, other_state, other_size, half_made, nobodys_top, bears_more)


@pytest.fixture
def store(rounds):  # noqa: F811
    """Measured, merged and at rest."""
    use(rounds, "open")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", rounds.call("GET", f"volumes/{vol()}")[1]["path"]], check=True,
                   stdout=subprocess.DEVNULL)
    use(rounds, "close")

    def measured():
        records = sqlite3.connect(rounds.home / "storaged" / "storaged.db")
        left = records.execute("SELECT count(*) FROM layers WHERE state = 'frozen' AND allocated IS NULL").fetchone()[0]
        records.close()
        return left == 0
    wait("all is measured", measured)
    rounds.stop()
    assert rounds.check() == (0, "0 findings\n")
    return Store(rounds)


def test_each_corruption_is_found(store):
    """One after the other; what is harmed is named, and the copy of before proves right again."""
    storaged = store.storaged
    for harm, (who, what) in HARMS.items():
        harm(store)
        status, text = storaged.check()
        named = store.volume if who == "top" else store.layers[who] if isinstance(who, int) else who
        if harm is other_state:
            named = snap(2)
        assert status == 1, harm.__name__
        assert [line for line in text.splitlines() if named in line and what in line], (harm.__name__, named, what, text)
        store.go_back()
        assert storaged.check() == (0, "0 findings\n"), harm.__name__


def test_records_that_lie_are_made_anew(store):
    """Wrong records are found; without them the headers and documents yield right ones."""
    storaged = store.storaged
    before = store.sql("SELECT id, parent, state, virtual_bytes, allocated FROM layers ORDER BY id")
    for harm in OF_RECORDS:
        harm(store)
        assert storaged.check()[0] == 1
        for path in store.database.parent.glob("storaged.db*"):
            path.unlink()
        assert storaged.check("--repair") == (0, "the records have been made anew; 0 findings\n"), harm.__name__
        assert store.sql("SELECT id, parent, state, virtual_bytes, allocated FROM layers ORDER BY id") == before, harm.__name__
        store.go_back()


def test_a_merge_is_measured_anew(rounds):  # noqa: F811
    """What a merge changed of a layer is recorded, not found."""
    storaged = rounds
    for n in (2, 3):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
    wait("the deleted ones are merged", lambda: len(storaged.files) == 7)
    assert put_snapshot(storaged, 20)[0] == 200

    def settled():
        records = sqlite3.connect(storaged.home / "storaged" / "storaged.db")
        rows = records.execute("SELECT allocated FROM layers WHERE state = 'frozen'").fetchall()
        records.close()
        return len(rows) == 7 and (4 * CLUSTER,) in rows and (None,) not in rows
    wait("three rounds are one, of four clusters", settled)
    storaged.stop()
    assert storaged.check() == (0, "0 findings\n")
