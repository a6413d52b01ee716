"""Chains stay short, space comes back, and nobody reads other data for it."""

import contextlib
import pathlib

import pytest

from test_snapshots import consistent, from_snapshot, io, path_of, put_snapshot, snap, wait
from test_storaged import outcome, put_volume, qemu_img, vol
from test_volumes import ONE, use


def taken(storaged, n, volume=0):
    """A snapshot, as soon as the chain allows it."""
    def done():
        answer = put_snapshot(storaged, n, volume)
        assert answer[0] in (200, 503), answer
        return answer[0] == 200
    wait("a snapshot is taken", done)


def chain(storaged, n=0):
    """The files of a volume's chain, by what qemu-img finds in the headers."""
    def info():
        """Headers and files may just be changing; then there is no answer."""
        with contextlib.suppress(AssertionError):
            return qemu_img("info", "--backing-chain", "-U", "-f", "qcow2", path_of(storaged, n))
    text = wait("the chain can be read", info)
    return [line.rsplit("/", 1)[1] for line in text.splitlines() if line.startswith("image: ")]


def write(storaged, *commands, volume=0):
    """As whoever has it open; the janitor keeps away meanwhile."""
    def opened():
        answer = use(storaged, "open", volume)
        assert answer[0] in (200, 503), answer
        return answer[1].get("path")
    io(wait("it can be opened", opened), *commands)
    assert use(storaged, "close", volume) == (200, {})


def holds(storaged, n, snapshot, *commands):
    """A volume n of the snapshot shows this."""
    from_snapshot(storaged, n, snapshot)
    write(storaged, *commands, volume=n)


def pattern(n):
    """What round n writes: a block of its own, and one that every round writes over."""
    return [f"write -P {n + 1} {n}M 64k", f"write -P {n + 1} 100M 64k"]


def shows(n):
    """What a volume must read after round n."""
    return [f"read -P {k + 1} {k}M 64k" for k in range(n + 1)] + [f"read -P {n + 1} 100M 64k", f"read -P 0 {n + 1}M 64k"]


@pytest.fixture
def rounds(storaged):
    """A volume with eight rounds written, a snapshot after each."""
    put_volume(storaged, image=None)
    for n in range(8):
        write(storaged, *pattern(n))
        taken(storaged, n)
    return storaged


def test_deleted_snapshots_give_back_their_space(rounds):
    storaged = rounds
    assert len(storaged.files) == 9
    before = storaged.metrics()
    assert (before["volumes"], before["snapshots"], before['layers{state="frozen"}'], before['layers{state="ready"}']) == (1, 8, 8, 1)
    assert before[f'volume_chain_files{{volume="{vol(0)}"}}'] == 9
    for n in (1, 2, 4, 5, 6):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
    wait("the deleted ones are merged", lambda: len(storaged.files) == 4)
    assert len(chain(storaged)) == 4
    after = storaged.metrics()
    assert after['merges_total{outcome="committed"}'] - before['merges_total{outcome="committed"}'] >= 5
    assert after[f'volume_chain_files{{volume="{vol(0)}"}}'] == 4 and after["snapshots"] == 3
    assert 0 < after["store_used_bytes"] < before["store_used_bytes"]
    assert after["store_bytes"] > after["store_free_bytes"] > 0
    consistent(storaged)
    for n in (0, 3, 7):
        holds(storaged, 10 + n, n, *shows(n))
        assert storaged.call("DELETE", f"volumes/{vol(10 + n)}") == (200, {})
    write(storaged, *shows(7))
    for n in (0, 3, 7):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
    wait("two are left: what all were merged into, and the top", lambda: len(storaged.files) == 2)
    write(storaged, *shows(7))
    consistent(storaged)


def test_chains_stay_short(storaged):
    """Thirty snapshots that are all kept: the volume's chain is cut, theirs stay as they were."""
    put_volume(storaged, image=None)
    for n in range(30):
        write(storaged, *pattern(n))
        taken(storaged, n)
        assert len(chain(storaged)) <= 16
    wait("it is short again", lambda: len(chain(storaged)) < 12)
    for n in (0, 11, 15, 16, 29):
        holds(storaged, 10 + n, n, *shows(n))
        assert len(chain(storaged, 10 + n)) <= 16
    write(storaged, *shows(29))
    consistent(storaged)


def is_at_work(storaged):
    """Does a qemu-img of this daemon run?"""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (path / "stat").read_text(encoding="ascii", errors="replace").partition("(")[2].rpartition(")")
            if name == "qemu-img" and int(rest.split()[1]) == storaged.pid:
                return True
    return False


def test_what_is_deleted_while_it_is_pulled_together(storaged):
    """A volume with much to pull; it goes meanwhile, and all that it stands on."""
    put_volume(storaged, image=None)
    for n in range(11):
        write(storaged, f"write -P {n + 1} {n * 16}M 16M")
        taken(storaged, n)
    wait("its chain is being cut, or has been", lambda: is_at_work(storaged) or len(chain(storaged)) < 12)
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
    for n in range(11):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
    wait("nothing is left", lambda: not storaged.files)
    consistent(storaged)


def test_shared_layers_stay(rounds):
    """A layer that two volumes stand on is nobody's to merge away; it goes when one of them has gone."""
    storaged = rounds
    for n in (1, 2):
        from_snapshot(storaged, n, 3)
    for n in range(8):
        storaged.call("DELETE", f"snapshots/{snap(n)}")
    storaged.call("DELETE", f"volumes/{vol()}")
    wait("what lies under both is one", lambda: len(storaged.files) == 3)
    for n in (1, 2):
        write(storaged, *shows(3), volume=n)
    consistent(storaged)


def settle(storaged, done, n=0):
    answer = storaged.call("POST", f"volumes/{vol(n)}/merge/settle", {"done": done})
    assert answer[0] == 200, answer
    return answer[1]["state"]


@pytest.mark.parametrize("end", ["done", "not begun", "not finished", "crash", "closed"])
def test_by_a_qemu(rounds, end):
    """storaged says what, the QEMU does it (here qemu-img with whole paths, as libvirt has it), and only
    what was seen to come to its end counts."""
    storaged = rounds
    assert use(storaged, "open")[0] == 200
    assert storaged.call("POST", f"volumes/{vol()}/merge", {}) == (200, {"state": "none"})
    storaged.call("DELETE", f"snapshots/{snap(4)}")
    status, merge = storaged.call("POST", f"volumes/{vol()}/merge", {})
    assert (status, merge["state"], merge["kind"]) == (200, "begun", "commit")
    assert storaged.call("POST", f"volumes/{vol()}/merge", {})[1]["state"] == "under way"
    # It is in nobody's way for long: whoever needs it is told to wait, the QEMU to stop.
    assert outcome(put_snapshot(storaged, 20)) == (503, "unavailable")
    assert storaged.call("POST", f"volumes/{vol()}/merge", {})[1]["unwanted"]
    names = chain(storaged)
    above = names[names.index(merge["top"].rsplit("/", 1)[1]) - 1]
    if end not in ("not begun", "not finished"):
        qemu_img("commit", "-q", "-d", "-f", "qcow2", merge["top"])
    if end != "not begun":
        qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", merge["base"], storaged.home / "store" / above)
    if end == "not begun":
        assert settle(storaged, False) == "given up"
    elif end == "not finished":  # the header above says so, but nobody has seen the end of it
        assert settle(storaged, False) == "under way"
        again = storaged.call("POST", f"volumes/{vol()}/merge", {})[1]
        assert (again["state"], again["unwanted"]) == ("begun", False), "the next QEMU is to do it anew, whoever waits"
    elif end == "done":
        assert settle(storaged, True) == "done"
    elif end == "crash":
        storaged.kill()
        storaged.start()
        assert settle(storaged, True) == "done"
    assert use(storaged, "close") == (200, {})
    wait("it is merged", lambda: len(storaged.files) == 8)
    assert "backing file: lay-" in qemu_img("info", "-U", "-f", "qcow2", storaged.home / "store" / above), "relative again"
    for n in (3, 5, 7):
        holds(storaged, 10 + n, n, *shows(n))
    consistent(storaged)


def test_shared_by_two_qemus(rounds):
    """While two have a layer open, neither may write to it."""
    storaged = rounds
    from_snapshot(storaged, 1, 6)
    use(storaged, "open")
    use(storaged, "open", 1, ONE)
    storaged.call("DELETE", f"snapshots/{snap(2)}")
    assert storaged.call("POST", f"volumes/{vol()}/merge", {}) == (200, {"state": "none"})
    use(storaged, "close", 1)
    assert storaged.call("POST", f"volumes/{vol()}/merge", {})[1]["state"] == "begun"
    # Now the other one cannot be opened until the QEMU has stopped.
    assert outcome(use(storaged, "open", 1)) == (503, "unavailable")
    assert storaged.call("POST", f"volumes/{vol()}/merge", {})[1]["unwanted"]
    assert settle(storaged, False) == "given up"
    assert use(storaged, "open", 1)[0] == 200


def test_whoever_needs_a_layer_gets_it(rounds):
    """Volumes are made, opened and deleted while the janitor is at work on their chains."""
    storaged = rounds
    write(storaged, "write -P 99 200M 300M")
    taken(storaged, 8)
    taken(storaged, 9)
    for n in (0, 8):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
        assert from_snapshot(storaged, 30 + n, 7)
        assert use(storaged, "open")[0] == 200
        assert use(storaged, "close")[0] == 200
        taken(storaged, 40 + n)
        assert storaged.call("DELETE", f"volumes/{vol(30 + n)}") == (200, {})
    write(storaged, *shows(7)[:-1], "read -P 99 200M 300M")
    consistent(storaged)
