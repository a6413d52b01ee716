"""Blocks for the EBS direct APIs: written to closed volumes, read from snapshots, whatever merges do."""

import contextlib
import hashlib
import json
import random
import socket

from storaged_daemon import PATIENCE_S
from test_snapshots import io, path_of, put_snapshot, snap, wait
from test_storaged import put_volume, vol
from test_volumes import use

BLOCK = 512 * 1024


@contextlib.contextmanager
def upgraded(storaged, path):
    """The connection of bytes and its file; (None, status) where it is refused."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE_S)
        s.connect(str(storaged.run_dir / "storaged.sock"))
        s.sendall(f"GET /v1/{path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: minicloud\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += s.recv(1)
        yield s, int(head.split()[1])


def read(storaged, index, n=0):
    with upgraded(storaged, f"snapshots/{snap(n)}/blocks/{index}") as (s, status):
        assert status == 101
        return s.makefile("rb").read()


def write(storaged, index, data, n=0, hashed=None):
    """The HTTP status and the word that came back."""
    path = f"volumes/{vol(n)}/blocks/{index}?sha256={hashed or hashlib.sha256(data).hexdigest()}"
    with upgraded(storaged, path) as (s, status):
        if status != 101:
            return status, None
        s.sendall(data)
        if len(data) < BLOCK:
            s.shutdown(socket.SHUT_WR)
        return status, json.loads(s.makefile("rb").readline())["outcome"]


def listed(storaged, n=0, **query):
    words = "&".join(f"{k}={v}" for k, v in query.items())
    status, answer = storaged.call("GET", f"snapshots/{snap(n)}/blocks?{words}")
    assert status == 200, answer
    return answer


def test_written_and_read(storaged):
    """What is written is counted once, on the disk after a kill, and read from the snapshot."""
    put_volume(storaged, 0, image=None)
    blocks = {i: random.randbytes(BLOCK) for i in (0, 9, 2047)}
    for index, data in blocks.items():
        assert write(storaged, index, data) == (101, "ok")
    assert write(storaged, 9, blocks[9]) == (101, "ok")
    assert write(storaged, 10, blocks[9], hashed="0" * 64) == (101, "bad_request")
    assert write(storaged, 10, blocks[9][:-1]) == (101, "bad_request")
    assert write(storaged, 2048, blocks[9])[0] == 400
    assert write(storaged, 1, blocks[9], n=5)[0] == 404
    storaged.kill()
    storaged.start()
    total = hashlib.sha256(b"".join(hashlib.sha256(blocks[i]).digest() for i in sorted(blocks))).hexdigest()
    written = storaged.call("GET", f"volumes/{vol(0)}/blocks")[1]
    assert (written["blocks"], written["sha256"]) == (3, total)
    use(storaged, "open")
    assert write(storaged, 1, blocks[9])[0] == 409
    use(storaged, "close")
    put_snapshot(storaged)
    assert listed(storaged) == {"size_gib": 1, "blocks": [[0, False, True], [9, False, True], [2047, False, True]]}
    assert listed(storaged, max=2)["next"] == 10
    assert listed(storaged, **{"from": 10})["blocks"] == [[2047, False, True]]
    assert all(read(storaged, i) == data for i, data in blocks.items())
    assert read(storaged, 1) == bytes(BLOCK)
    with upgraded(storaged, f"snapshots/{snap(0)}/blocks/2048") as (_, status):
        assert status == 400
    assert storaged.call("DELETE", f"volumes/{vol(0)}")[0] == 200
    assert read(storaged, 9) == blocks[9]


def test_changes_by_layers(storaged):
    """Snapshots in a row; one between them goes and its layer is merged; what differs stays so."""
    put_volume(storaged, 0, image=None)
    path = path_of(storaged)
    for n in range(4):
        io(path_of(storaged), f"write -P {n + 1} {n * 4 * BLOCK} {BLOCK}", f"write -P {n + 65} {100 * BLOCK} 4096", "flush")
        put_snapshot(storaged, n)
    assert path_of(storaged) != path
    differ = [[4, False, True], [8, False, True], [100, True, True]]
    assert listed(storaged, 2, first=snap(0))["blocks"] == differ
    assert storaged.call("DELETE", f"snapshots/{snap(1)}")[0] == 200
    wait("the layer between is merged", lambda: storaged.call("GET", f"snapshots/{snap(2)}")[1].get("base") ==
         storaged.call("GET", f"snapshots/{snap(0)}")[1]["layer"])
    assert listed(storaged, 2, first=snap(0))["blocks"] == differ
    assert listed(storaged, 0, first=snap(2))["blocks"] == [[4, True, False], [8, True, False], [100, True, True]]
    assert read(storaged, 100, 2) == bytes([67]) * 4096 + bytes(BLOCK - 4096)
    io(path_of(storaged), f"write -z {BLOCK * 8} {BLOCK}", "flush")
    put_snapshot(storaged, 4)
    assert listed(storaged, 4, first=snap(3))["blocks"] == [[8, True, False]]
    assert 8 not in [b[0] for b in listed(storaged, 4)["blocks"]]
    put_volume(storaged, 1, image=None)
    put_snapshot(storaged, 7, volume=1)
    assert storaged.call("GET", f"snapshots/{snap(7)}/blocks?first={snap(0)}")[0] == 409
