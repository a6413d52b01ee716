"""Volumes that several QEMUs share: raw files, made, grown, copied into snapshots and made of them."""

import subprocess

from test_encryption import KEY, OTHER, SNAP, THIRD, VOL, make, qemu_io

QEMUS = ("i-0123456789abcdef0", "i-0123456789abcdef1")


def io(answer, *commands):
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "-f", "raw", *words, answer["path"]], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "verification failed" not in done.stdout, done.stdout + done.stderr


def opened(storaged, volume):
    for qemu in QEMUS:
        status, answer = storaged.call("POST", f"volumes/{volume}/open", {"opener": qemu})
        assert status == 200, answer
    return answer


def closed(storaged, volume):
    for qemu in QEMUS:
        assert storaged.call("POST", f"volumes/{volume}/close", {"opener": qemu})[0] == 200


def test_life(storaged):
    """Raw while it is shared; a snapshot is a copy, of which volumes of either kind are made."""
    made = make(storaged, VOL, shared=True)
    assert made["format"] == "raw" and made["shared"] and made["backing"] == [] and made["path"].endswith(".raw")
    assert make(storaged, VOL, shared=True) == made
    assert storaged.call("PUT", f"volumes/{OTHER}", {"size_gib": 1, "shared": True, "kms_key": KEY})[0] == 501
    answer = opened(storaged, VOL)
    assert answer["opened_by"] == list(QEMUS)
    io(answer, "write -P 1 0 1M", "write -P 2 1023M 1M")
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 501
    closed(storaged, VOL)
    assert storaged.call("PUT", f"snapshots/{SNAP}", {"volume": VOL})[0] == 200
    assert storaged.call("POST", f"volumes/{VOL}/grow", {"size_gib": 2})[1]["size_gib"] == 2
    answer = opened(storaged, VOL)
    io(answer, "read -P 1 0 1M", "read -P 2 1023M 1M", "read -P 0 1024M 1M", "write -P 3 2047M 1M", "write -P 4 0 1M")
    closed(storaged, VOL)
    alone = make(storaged, OTHER, snapshot=SNAP)
    assert alone["format"] == "qcow2"
    qemu_io(storaged, OTHER, "read -P 1 0 1M", "read -P 2 1023M 1M")
    make(storaged, THIRD, snapshot=SNAP, shared=True)
    io(opened(storaged, THIRD), "read -P 1 0 1M", "read -P 0 1M 1M", "read -P 2 1023M 1M")
    closed(storaged, THIRD)
    assert storaged.check() == (0, "0 findings\n")
    storaged.kill()
    storaged.start()
    assert storaged.check() == (0, "0 findings\n")
    for name in (f"volumes/{VOL}", f"volumes/{OTHER}", f"volumes/{THIRD}", f"snapshots/{SNAP}"):
        assert storaged.call("DELETE", name)[0] == 200
    assert storaged.files == set()
