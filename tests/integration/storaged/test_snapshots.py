"""Snapshots of quiet and of busy volumes, in the order of docs/ipc.md, and what a crash leaves of them."""

import pathlib
import stat
import subprocess
import time

import pytest

import bearing
from storaged_daemon import PATIENCE_S
from test_storaged import AMI, outcome, put_image, put_volume, qemu_img, vol
from test_volumes import ONE, grow, held, use


def snap(n=0):
    return f"snap-{n:017x}"


def put_snapshot(storaged, n=0, volume=0, **body):
    return storaged.call("PUT", f"snapshots/{snap(n)}", body if "copy" in body else {"volume": vol(volume), **body})


def verb(storaged, name, n=0):
    return storaged.call("POST", f"snapshots/{snap(n)}/{name}", {})


def io(path, *commands):
    words = ["qemu-io", "-f", "qcow2"]
    for command in commands:
        words += ["-c", command]
    done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "failed" not in done.stdout, done.stdout + done.stderr


def path_of(storaged, n=0):
    return storaged.call("GET", f"volumes/{vol(n)}")[1]["path"]


def from_snapshot(storaged, n, snapshot, size=1):
    answer = storaged.call("PUT", f"volumes/{vol(n)}", {"size_gib": size, "snapshot": snap(snapshot)})
    assert answer[0] == 200, answer
    return answer[1]["path"]


def wait(what, condition, timeout=PATIENCE_S):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, what
        time.sleep(0.02)


def consistent(storaged):
    """In the middle of a merge records and files differ; at its end they do not."""
    try:
        wait("records and store agree", lambda: storaged.check() == (0, "0 findings\n"))
    except AssertionError:
        raise AssertionError(storaged.check()[1] + storaged.log()[-4000:]) from None


def test_idle(storaged):
    """Three snapshots of one volume: each keeps what was there, in any order of their end."""
    put_volume(storaged, image=None)
    for n in range(3):
        io(path_of(storaged), f"write -P {n + 1} 0 64k", f"write -P {n + 1} {n + 1}M 64k")
        status, snapshot = put_snapshot(storaged, n)
        assert status == 200 and snapshot["state"] == "available" and "path" not in snapshot
        assert put_snapshot(storaged, n) == (200, snapshot)
        layer = storaged.home / "store" / (snapshot["layer"] + ".qcow2")
        assert stat.S_IMODE(layer.stat().st_mode) == 0o440
        assert 64 << 10 < snapshot["bytes"] < 1 << 20
    io(path_of(storaged), "write -P 9 0 64k")
    assert len(storaged.call("GET", "snapshots")[1]["snapshots"]) == 3
    consistent(storaged)
    for n in range(3):
        io(from_snapshot(storaged, 10 + n, n, size=2), f"read -P {n + 1} 0 64k", f"read -P {n + 1} {n + 1}M 64k",
           f"read -P 0 {n + 2}M 64k", "read -P 0 1500M 64k")
    assert storaged.call("DELETE", f"snapshots/{snap(1)}")[0] == 200
    assert storaged.call("DELETE", f"snapshots/{snap(1)}")[0] == 200
    assert outcome(storaged.call("PUT", f"volumes/{vol(20)}", {"size_gib": 1, "snapshot": snap(1)})) == (404, "not_found")
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {}), "the others stand without it"
    io(from_snapshot(storaged, 21, 2), "read -P 3 0 64k", "read -P 1 1M 64k", "read -P 2 2M 64k", "read -P 3 3M 64k")
    consistent(storaged)
    for n in (10, 11, 12, 21):
        assert storaged.call("DELETE", f"volumes/{vol(n)}") == (200, {})
    for n in (0, 2):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
    wait("all is gone", lambda: storaged.files == set())


def test_of_an_image(storaged):
    """A snapshot of a volume made of an image holds what was written, not the image."""
    put_image(storaged)
    put_volume(storaged)
    io(path_of(storaged), "write -P 5 32M 64k")
    assert put_snapshot(storaged)[1]["bytes"] < 1 << 20
    assert storaged.call("DELETE", f"images/{AMI}") == (200, {})
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
    io(from_snapshot(storaged, 1, 0), "read -P 7 0 3M", "read -P 5 32M 64k")
    consistent(storaged)


def test_busy(storaged):
    """The order of docs/ipc.md, a qemu-io in the part of the QEMU."""
    put_volume(storaged, image=None)
    use(storaged, "open")
    old = path_of(storaged)
    io(old, "write -P 1 0 64k")
    with held(old) as last:
        status, snapshot = put_snapshot(storaged)
        assert status == 200 and snapshot["state"] == "prepared", snapshot
        assert put_snapshot(storaged) == (200, snapshot)
        last.append("write -P 2 64k 64k")
    assert outcome(put_snapshot(storaged, 1)) == (503, "unavailable")
    assert outcome(grow(storaged, 2)) == (503, "unavailable")
    assert outcome(storaged.call("DELETE", f"snapshots/{snap()}")) == (409, "in_use")
    assert outcome(storaged.call("PUT", f"volumes/{vol(1)}", {"size_gib": 1, "snapshot": snap()})) == (503, "unavailable")
    consistent(storaged)
    io(snapshot["path"], "write -P 3 128k 64k")
    status, taken = verb(storaged, "take")
    assert status == 200 and taken["state"] == "available"
    assert verb(storaged, "take") == (200, taken)
    assert path_of(storaged) == snapshot["path"] != old
    io(from_snapshot(storaged, 1, 0), "read -P 1 0 64k", "read -P 2 64k 64k", "read -P 0 128k 64k")
    io(path_of(storaged), "read -P 1 0 64k", "read -P 2 64k 64k", "read -P 3 128k 64k")
    assert outcome(verb(storaged, "abandon")) == (409, "conflict")
    consistent(storaged)


def test_abandoned(storaged):
    put_volume(storaged, image=None)
    use(storaged, "open")
    before = path_of(storaged), storaged.files
    put_snapshot(storaged)
    with held(before[0]):
        assert verb(storaged, "abandon") == (200, {}) and verb(storaged, "abandon") == (200, {})
    assert (path_of(storaged), storaged.files) == before
    assert outcome(storaged.call("GET", f"snapshots/{snap()}")) == (404, "not_found")
    assert put_snapshot(storaged, 1)[1]["state"] == "prepared"


def test_switched_and_not_abandoned(storaged):
    """Whoever says that its QEMU has not switched may be wrong: the hypervisor was away when it did."""
    put_volume(storaged, image=None)
    use(storaged, "open")
    path = put_snapshot(storaged)[1]["path"]
    with held(path) as last:
        assert outcome(verb(storaged, "abandon")) == (409, "in_use")
        last.append("write -P 3 128k 64k")
    # It has ended since, as with the host's power: what it wrote was to the new top.
    assert outcome(verb(storaged, "abandon")) == (409, "conflict")
    assert put_snapshot(storaged)[1]["state"] == "available" and path_of(storaged) == path
    io(path_of(storaged), "read -P 3 128k 64k")
    consistent(storaged)


@pytest.mark.parametrize("switched", [False, True])
@pytest.mark.parametrize("then", ["put", "open", "delete volume", "delete snapshot"])
def test_closed_half_way(storaged, switched, then):
    """The QEMU ends between preparation and take, switched or not; storaged is killed as well."""
    put_volume(storaged, image=None)
    use(storaged, "open")
    io(path_of(storaged), "write -P 1 0 64k")
    overlay = put_snapshot(storaged)[1]["path"]
    if switched:
        io(overlay, "write -P 2 64k 64k")
    use(storaged, "close")
    storaged.kill()
    storaged.start()
    consistent(storaged)
    if then == "put":
        assert put_snapshot(storaged)[1]["state"] == "available"
    elif then == "open":
        assert use(storaged, "open")[1]["path"] == overlay
        assert storaged.call("GET", f"snapshots/{snap()}")[1]["state"] == "available"
    elif then == "delete volume":
        assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
        assert storaged.call("GET", f"snapshots/{snap()}")[1]["state"] == "available"
    else:
        assert storaged.call("DELETE", f"snapshots/{snap()}")[0] == 200
    if then != "delete volume":
        io(path_of(storaged), "read -P 1 0 64k", f"read -P {2 if switched else 0} 64k 64k")
    if then != "delete snapshot":
        io(from_snapshot(storaged, 5, 0), "read -P 1 0 64k", "read -P 0 64k 64k")
    consistent(storaged)


def test_quiet_by_word_only(storaged):
    """Nobody said that the volume is open, but a QEMU has it: its lock keeps the top from being frozen."""
    put_volume(storaged, image=None)
    path = pathlib.Path(path_of(storaged))
    holder = subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.read(1)
    try:
        assert outcome(put_snapshot(storaged)) == (503, "unavailable")
    finally:
        holder.communicate(b"quit\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert storaged.files == {path.name}
    assert put_snapshot(storaged)[1]["state"] == "available"


def test_copy(storaged):
    put_volume(storaged, image=None)
    io(path_of(storaged), "write -P 4 0 1M")
    put_snapshot(storaged)
    files = storaged.files
    status, copy = put_snapshot(storaged, 1, copy=snap())
    assert status == 200 and copy["state"] == "available" and storaged.files == files
    assert put_snapshot(storaged, 1, copy=snap()) == (200, copy)
    assert storaged.call("DELETE", f"snapshots/{snap()}")[0] == 200
    io(from_snapshot(storaged, 1, 1), "read -P 4 0 1M")
    assert outcome(put_snapshot(storaged, 2, copy=snap())) == (404, "not_found")
    consistent(storaged)


def test_grow_after_snapshot(storaged):
    """The top grows, what it stands on keeps its size; beyond it there is nothing."""
    put_volume(storaged, image=None)
    io(path_of(storaged), "write -P 4 1023M 1M")
    put_snapshot(storaged)
    assert grow(storaged, 3)[0] == 200
    io(path_of(storaged), "read -P 4 1023M 1M", "read -P 0 1G 64k", "write -P 6 2G 64k")
    put_snapshot(storaged, 1)
    assert storaged.call("GET", f"snapshots/{snap()}")[1]["size_gib"] == 1
    assert storaged.call("GET", f"snapshots/{snap(1)}")[1]["size_gib"] == 3
    assert outcome(storaged.call("PUT", f"volumes/{vol(1)}", {"size_gib": 2, "snapshot": snap(1)})) == (400, "bad_request")
    io(from_snapshot(storaged, 2, 1, size=4), "read -P 4 1023M 1M", "read -P 6 2G 64k", "read -P 0 3G 64k")
    consistent(storaged)
    assert "backing file" in qemu_img("info", "-f", "qcow2", path_of(storaged, 2))


@pytest.mark.parametrize("body", [{}, {"volume": "vol-1"}, {"volume": vol(), "copy": snap(1)}, {"copy": vol()}])
def test_bad_messages(storaged, body):
    assert outcome(storaged.call("PUT", f"snapshots/{snap()}", body)) == (400, "bad_request")


def bytes_of(storaged, n):
    return storaged.call("GET", f"snapshots/{snap(n)}")[1]["bytes"]


def delete(storaged, n):
    """What its heirs bear from then on, by their ids."""
    status, answer = storaged.call("DELETE", f"snapshots/{snap(n)}")
    assert status == 200 and answer["deleted"], answer
    return {heir["id"]: heir["bytes"] for heir in answer["heirs"]}


MIB = 1 << 20


def while_open(storaged, n, *commands):
    """With nothing merged meanwhile."""
    wait("it is open", lambda: storaged.call("POST", f"volumes/{vol(n)}/open", {"opener": ONE})[0] == 200)
    io(path_of(storaged, n), *commands)
    assert storaged.call("POST", f"volumes/{vol(n)}/close", {"opener": ONE})[0] == 200


def taken(storaged, n, **body):
    wait("it is taken", lambda: put_snapshot(storaged, n, **body)[1].get("state") == "available")


def borne(storaged, *taken_in_order, free=frozenset()):
    """What these bear in MiB, which is what the files say."""
    def ask():
        rows = {s["id"]: s for s in storaged.call("GET", "snapshots")[1]["snapshots"]}
        mine = [rows[snap(n)] for n in taken_in_order]
        return ({s["id"]: s["bytes"] for s in mine},
                [(s["id"], s.get("owner", ""), str(storaged.home / "store" / (s["layer"] + ".qcow2"))) for s in mine])
    said, found = bearing.between_merges(storaged, ask, free)
    assert said == found
    return [found[snap(n)] / MIB for n in taken_in_order]


def test_what_a_deleted_one_leaves_is_borne_by_the_next(storaged):
    """Of its blocks those that the next one shows, and each of them once, whatever goes in which order."""
    put_volume(storaged, image=None)
    for n, command in enumerate(("write -P 1 0 8M", "write -P 2 4M 2M", "write -P 3 0 1M", "write -P 4 20M 1M")):
        io(path_of(storaged), command)
        taken(storaged, n)
    assert borne(storaged, 0, 1, 2, 3) == [8, 2, 1, 1]
    assert delete(storaged, 1) == {snap(2): 3 * MIB}
    assert delete(storaged, 0) == {snap(2): (3 + 8 - 2 - 1) * MIB}, "two of the eight were overwritten, and one"
    assert storaged.call("DELETE", f"snapshots/{snap(0)}") == (200, {})
    wait("the layers are one", lambda: len(storaged.files) == 3)
    assert borne(storaged, 2, 3) == [8, 1]
    assert delete(storaged, 3) == {}, "only the volume has its blocks still"
    while_open(storaged, 0, "write -P 5 30M 1M")
    taken(storaged, 4)
    assert borne(storaged, 2, 4) == [8, 2], "it shows what nobody else bears"
    assert delete(storaged, 2) == {snap(4): 10 * MIB}
    from_snapshot(storaged, 9, 4)
    while_open(storaged, 9, "read -P 3 0 1M", "read -P 1 1M 3M", "read -P 2 4M 2M", "read -P 1 6M 2M", "read -P 4 20M 1M",
               "read -P 5 30M 1M")
    consistent(storaged)


def test_branches_share_what_a_deleted_one_leaves(storaged):
    """Three volumes of one snapshot, each with other blocks of its own: whoever was taken first bears what it still shows,
    the next ones what that one does not; when it goes, the same again."""
    put_volume(storaged, image=None)
    io(path_of(storaged), "write -P 1 0 8M")
    taken(storaged, 0)
    for n, command in enumerate(("write -P 2 0 4M", "write -P 3 2M 4M", "write -z 6M 2M"), 1):
        from_snapshot(storaged, n, 0)
        while_open(storaged, n, command)
    for n in (3, 1, 2):
        taken(storaged, n, volume=n)
    assert borne(storaged, 0, 3, 1, 2) == [8, 0, 4, 4]
    assert delete(storaged, 0) == {snap(3): 6 * MIB, snap(1): 6 * MIB}, "0 to 6, 6 to 8"
    assert borne(storaged, 3, 1, 2) == [6, 6, 4]
    taken(storaged, 5, volume=2)
    assert delete(storaged, 3) == {snap(1): 8 * MIB, snap(2): 6 * MIB}, "of 0 to 6 the last two, then the first two; 2 to 4 nobody shows"
    assert borne(storaged, 1, 2, 5) == [8, 6, 0]
    assert delete(storaged, 2) == {snap(5): 6 * MIB}
    assert delete(storaged, 1) == {snap(5): 8 * MIB}, "6 to 8 again"
    storaged.stop()
    assert storaged.check() == (0, "0 findings\n")
    storaged.start()
    assert borne(storaged, 5) == [8]


def test_a_branch_that_is_taken_late_bears_the_rest(storaged):
    """Of what a deleted one left, what the first snapshot after it does not show is nobody's until another volume's snapshot does."""
    put_volume(storaged, image=None)
    io(path_of(storaged), "write -P 1 0 4M")
    taken(storaged, 0)
    from_snapshot(storaged, 1, 0)
    assert delete(storaged, 0) == {}
    while_open(storaged, 1, "write -P 2 1M 1M")
    taken(storaged, 1, volume=1)
    taken(storaged, 2)
    assert borne(storaged, 1, 2) == [4, 1]
    assert delete(storaged, 1) == {snap(2): 4 * MIB}


def test_copies_bear_once_for_each_owner(storaged):
    """A copy in the same account and region costs nothing until what it was copied from goes; elsewhere it bears all it shows."""
    put_volume(storaged, image=None)
    io(path_of(storaged), "write -P 1 0 4M")
    taken(storaged, 0, owner="1/here")
    put_snapshot(storaged, 5, copy=snap(0), owner="1/here")
    put_snapshot(storaged, 6, copy=snap(0), owner="1/there")
    io(path_of(storaged), "write -P 2 1M 1M")
    taken(storaged, 1, owner="1/here")
    taken(storaged, 2, owner="2/here")
    assert borne(storaged, 0, 5, 6, 1, 2) == [4, 0, 4, 1, 4], "the second account had nothing of it before"
    assert delete(storaged, 0) == {snap(5): 4 * MIB}
    assert delete(storaged, 6) == {}
    assert delete(storaged, 5) == {snap(1): 4 * MIB}, "1 to 2 goes with the copy"
    assert borne(storaged, 1, 2) == [4, 4]
    consistent(storaged)


def test_what_an_image_has_costs_nothing(storaged):
    """But for who copies the image, and makes it their own."""
    put_image(storaged)
    put_volume(storaged)
    free = bearing.Files().blocks(storaged.call("GET", f"volumes/{vol()}")[1]["backing"][-1])
    io(path_of(storaged), "write -P 2 0 1M")
    taken(storaged, 0)
    assert borne(storaged, 0, free=free) == [1]
    put_snapshot(storaged, 1, copy=AMI)
    put_snapshot(storaged, 2, copy=AMI)
    whole = len(free) * bearing.CLUSTER
    assert whole > MIB and [bytes_of(storaged, n) for n in (0, 1, 2)] == [MIB, whole, 0]
    assert delete(storaged, 1) == {snap(2): whole}
    assert storaged.call("DELETE", f"images/{AMI}") == (200, {})
    taken(storaged, 3)
    assert bytes_of(storaged, 3) == 0
    assert delete(storaged, 2) == {}
    assert delete(storaged, 0) == {snap(3): MIB}
    consistent(storaged)


def test_the_remainder_is_kept_through_a_kill(storaged):
    put_volume(storaged, image=None)
    for n in range(2):
        io(path_of(storaged), f"write -P {n + 1} {n * 4}M 2M")
        taken(storaged, n)
    assert delete(storaged, 0) == {snap(1): 4 * MIB}
    storaged.kill()
    storaged.start()
    assert borne(storaged, 1) == [4]
