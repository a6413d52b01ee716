"""The records are lost or broken, and made anew from what lies beside and in the layers."""

import sqlite3

import pytest

from test_merges import holds, rounds, shows, taken, write  # noqa: F401  (rounds is a fixture)
from test_snapshots import consistent, from_snapshot, put_snapshot, snap, wait
from test_storaged import AMI, put_image, put_volume, qemu_img, vol
from test_volumes import ONE, use


def database(storaged):
    return storaged.home / "storaged" / "storaged.db"


def lose(storaged):
    for path in database(storaged).parent.glob("storaged.db*"):
        path.unlink()


def break_a_page(storaged):
    records = sqlite3.connect(database(storaged))
    records.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = records.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'layers'").fetchone()[0]
    records.close()
    with database(storaged).open("r+b") as f:
        f.seek((page - 1) * 4096)
        f.write(b"\xff" * 4096)


def told(storaged):
    """All that storaged says of itself."""
    return [storaged.call("GET", noun)[1] for noun in ("volumes", "images", "snapshots")]


@pytest.mark.parametrize("harm", [lose, break_a_page])
def test_records_made_anew(rounds, harm):  # noqa: F811
    """Chains, snapshots, a shared image, a volume in use and a snapshot in preparation are as they were."""
    storaged = rounds
    assert put_image(storaged)[0] == 200
    for n in (20, 21):
        assert put_volume(storaged, n)[0] == 200
    from_snapshot(storaged, 22, 3)
    assert use(storaged, "open", 21)[0] == 200
    assert put_snapshot(storaged, 30, 21)[1]["state"] == "prepared"
    assert storaged.call("PUT", f"snapshots/{snap(31)}", {"copy": snap(2)})[0] == 200
    files = len(storaged.files)
    for n in (1, 4):
        assert storaged.call("DELETE", f"snapshots/{snap(n)}")[0] == 200
    wait("the deleted ones are merged", lambda: len(storaged.files) == files - 2)
    storaged.stop()
    storaged.start()
    before = told(storaged)
    storaged.stop()
    harm(storaged)
    assert storaged.launcher("start-one", "storaged", check=False).returncode != 0
    assert "--repair" in storaged.log().splitlines()[-1], "it does not begin with nothing"
    status, text = storaged.check("--repair")
    findings = 0 if harm is lose else 1
    assert (status, text.splitlines()[-1]) == (findings, f"the records have been made anew; {findings} finding{'s' * (findings != 1)}"), text
    assert storaged.check() == (0, "0 findings\n")
    storaged.start()
    assert told(storaged) == before
    assert storaged.call("POST", f"snapshots/{snap(30)}/take", {})[1]["state"] == "available"
    assert use(storaged, "close", 21)[0] == 200
    holds(storaged, 40, 3, *shows(3))
    holds(storaged, 41, 31, *shows(2))
    write(storaged, *shows(7))
    consistent(storaged)


def test_not_without_need(storaged):
    put_volume(storaged, image=None)
    status, text = storaged.check("--repair")
    assert status != 0 and "has the store" in text, "it runs"
    storaged.stop()
    status, text = storaged.check("--repair")
    assert status != 0 and "not empty" in text
    assert storaged.check() == (0, "0 findings\n")


@pytest.mark.parametrize("how", ["commit", "commit done", "pull"])
def test_lost_while_a_qemu_merges(storaged, how):
    """What was begun, and may be written to the headers already, is taken back as after any other crash."""
    put_volume(storaged, image=None)
    kept = range(12) if how == "pull" else (0, 2, 3)
    for n in range(12 if how == "pull" else 4):
        write(storaged, f"write -P {n + 1} {n}M 64k", f"write -P {n + 1} 100M 64k")
        if how == "pull" and n == 11:
            break  # the next one is what makes it too long
        taken(storaged, n)
    path = use(storaged, "open")[1]["path"]
    if how == "pull":
        assert put_snapshot(storaged, 11)[1]["state"] == "prepared"
        assert storaged.call("POST", f"snapshots/{snap(11)}/take", {})[0] == 200
        path = storaged.call("GET", f"volumes/{vol()}")[1]["path"]
    else:
        storaged.call("DELETE", f"snapshots/{snap(1)}")
    merge = storaged.call("POST", f"volumes/{vol()}/merge", {})[1]
    assert merge["state"] == "begun" and merge["kind"] == how.split()[0]
    if how == "pull":
        qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", merge["base"], path)
    if how == "commit done":
        chain = [path, *storaged.call("GET", f"volumes/{vol()}")[1]["backing"]]
        qemu_img("commit", "-q", "-d", "-f", "qcow2", merge["top"])
        qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", merge["base"], chain[chain.index(merge["top"]) - 1])
    storaged.kill()
    lose(storaged)
    assert storaged.check("--repair") == (0, "the records have been made anew; 0 findings\n")
    storaged.start()
    # Where the headers say that it is done it is to be done anew, as long as the volume is open.
    assert storaged.call("POST", f"volumes/{vol()}/merge", {})[1]["state"] == ("under way" if how == "commit" else "begun")
    assert use(storaged, "close") == (200, {})
    last = 11 if how == "pull" else 3
    write(storaged, *shows(last))
    for n in kept:
        holds(storaged, 100 + n, n, *shows(n))
    consistent(storaged)


def test_what_cannot_be_restored(rounds):  # noqa: F811
    """A file that has gone, a document that is malformed, one that has gone: each is told, the rest is there."""
    storaged = rounds
    for n in (10, 11, 12):
        from_snapshot(storaged, n, 7)
    gone = storaged.call("GET", f"volumes/{vol(10)}")[1]["layer"]
    nobodys = storaged.call("GET", f"volumes/{vol(12)}")[1]["layer"]
    storaged.stop()
    lose(storaged)
    store = storaged.home / "store"
    (store / f"{gone}.qcow2").unlink()
    (store / "owners" / f"{vol(11)}.json").write_text('{"volumes": [{"id": "vol-0123456789abcdef0"}]}')
    (store / "owners" / f"{vol(12)}.json").unlink()
    (store / "owners" / f"{snap(2)}.json").write_text('{"snapshots": [{"id": "%s", "layer": "../../etc"}]}' % snap(2))
    status, text = storaged.check("--repair")
    assert status == 1
    for who in (vol(10), vol(11), snap(2), nobodys):
        assert who in text, (who, text)
    assert (store / f"{nobodys}.qcow2").exists(), "what may be somebody's is left alone"
    storaged.start()
    assert [v["id"] for v in storaged.call("GET", "volumes")[1]["volumes"]] == [vol()]
    assert len(storaged.call("GET", "snapshots")[1]["snapshots"]) == 7
    write(storaged, *shows(7))
