"""Volumes in use: who has them open, how they grow, what is refused meanwhile."""

import contextlib
import subprocess

from test_storaged import AMI, GIB, outcome, put_image, put_volume, qemu_img, vol

ONE, OTHER = "i-0123456789abcdef0", "i-0123456789abcdef1"


def use(storaged, verb, n=0, opener=ONE):
    return storaged.call("POST", f"volumes/{vol(n)}/{verb}", {"opener": opener})


def grow(storaged, size, n=0):
    return storaged.call("POST", f"volumes/{vol(n)}/grow", {"size_gib": size})


@contextlib.contextmanager
def held(path):
    """A qemu-io has it open as a QEMU has; it is told what to do at the end."""
    holder = subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.read(1)  # its prompt: it holds the file
    last = []
    try:
        yield last
    finally:
        holder.communicate("".join(f"{word}\n" for word in [*last, "quit"]).encode())


def test_open_and_close(storaged):
    image = put_image(storaged)[1]
    assert put_volume(storaged)[1]["opened_by"] == []
    status, volume = use(storaged, "open")
    assert status == 200 and volume["opened_by"] == [ONE]
    assert volume["backing"] == [str(storaged.home / "store" / (image["layer"] + ".qcow2"))]
    assert use(storaged, "open") == (200, volume)
    assert use(storaged, "open", opener=OTHER)[1]["opened_by"] == [ONE, OTHER]
    assert outcome(storaged.call("DELETE", f"volumes/{vol()}")) == (409, "in_use")
    assert use(storaged, "close") == (200, {}) and use(storaged, "close") == (200, {})
    storaged.kill()
    storaged.start()
    assert storaged.call("GET", f"volumes/{vol()}")[1]["opened_by"] == [OTHER]
    assert outcome(storaged.call("DELETE", f"volumes/{vol()}")) == (409, "in_use")
    assert use(storaged, "close", opener=OTHER) == (200, {})
    assert storaged.call("DELETE", f"volumes/{vol()}") == (200, {})
    assert outcome(use(storaged, "open")) == (404, "not_found")
    assert use(storaged, "close") == (200, {})
    assert outcome(use(storaged, "open", opener="vol-0123456789abcdef0")) == (400, "bad_request")


def test_open_from_the_first(storaged):
    body = {"size_gib": 1, "opener": ONE}
    status, volume = storaged.call("PUT", f"volumes/{vol()}", body)
    assert status == 200 and volume["opened_by"] == [ONE] and volume["backing"] == []
    assert storaged.call("PUT", f"volumes/{vol()}", body) == (200, volume)
    assert storaged.call("PUT", f"volumes/{vol()}", {"size_gib": 1, "opener": OTHER})[1]["opened_by"] == [ONE, OTHER]


def test_grow(storaged):
    assert put_image(storaged)[0] == 200
    assert put_volume(storaged)[0] == 200
    status, volume = grow(storaged, 4)
    assert status == 200 and volume["size_gib"] == 4
    assert f"({4 * GIB} bytes)" in qemu_img("info", "-f", "qcow2", volume["path"])
    assert grow(storaged, 4) == (200, volume)
    assert outcome(grow(storaged, 3)) == (400, "bad_request")
    assert put_volume(storaged, size=4)[0] == 200, "what it is now is what it was wanted to be"
    assert storaged.check() == (0, "0 findings\n")


def test_grow_open_volume(storaged):
    """Its QEMU grows it, here as a resize behind storaged's back; meanwhile no snapshot begins."""
    put_image(storaged)
    volume = storaged.call("PUT", f"volumes/{vol()}", {"size_gib": 1, "image": AMI, "opener": ONE})[1]
    snapshot = "snapshots/snap-0123456789abcdef0"
    for size in (3, 2):
        answer = grow(storaged, size)[1]
        assert (answer["size_gib"], answer["growing_gib"]) == (1, size)
        assert outcome(storaged.call("PUT", snapshot, {"volume": vol()})) == (503, "unavailable")
    qemu_img("resize", "-f", "qcow2", volume["path"], "2G")
    answer = grow(storaged, 2)[1]
    assert answer["size_gib"] == 2 and "growing_gib" not in answer
    assert grow(storaged, 5)[1]["growing_gib"] == 5
    assert "growing_gib" not in grow(storaged, 2)[1], "given up"
    assert storaged.call("PUT", snapshot, {"volume": vol()})[1]["state"] == "prepared"
    with held(volume["path"]):
        assert storaged.call("POST", snapshot + "/abandon", {})[0] == 200
    grow(storaged, 3)
    qemu_img("resize", "-f", "qcow2", volume["path"], "3G")
    storaged.kill()
    storaged.start()
    assert storaged.call("GET", f"volumes/{vol()}")[1]["size_gib"] == 3, "the header knows after a crash"
    assert storaged.check() == (0, "0 findings\n")


def test_grow_is_refused_by_a_lock(storaged):
    """A QEMU that nobody told us of holds the file."""
    volume = put_volume(storaged, image=None)[1]
    with held(volume["path"]):
        assert outcome(grow(storaged, 2)) == (500, "internal")
    assert grow(storaged, 2)[0] == 200
