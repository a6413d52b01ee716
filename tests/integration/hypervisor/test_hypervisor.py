"""minicloud-hypervisor against a real libvirtd and real (small) virtual machines."""

import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from node import BUILD, Failure, Node, PATIENCE_S, ROOT, ejecting_sector  # noqa: E402  (the path above)
from judge import Judge, kill_and_wait  # noqa: E402


@pytest.fixture(scope="module")
def node():
    it = Node()
    try:
        it.start_libvirtd()
        it.start_daemon()
        yield it
    finally:
        it.close()


@pytest.fixture
def events(node):
    it = node.events()
    yield it
    it.close()


@pytest.fixture
def make(node):
    """Makes instances, which are gone after the test, with all that belonged to them."""
    made = []

    def new(**disk):
        made.append(node.instance(0x1000 + len(made) * 0x10000001, **disk))
        return made[-1]

    yield new
    for instance in made:
        instance.delete()
        assert instance.tap not in node.links()
        assert not (node.console / f"{instance.id}.log").exists()
    assert node.call("GET", "/v1/instances") == {"instances": []}


def output(instance):
    return base64.b64decode(instance.console()["output"]).decode()


def prints(node, instance, text):
    node.wait_for(lambda: output(instance) == text)


def refused(status, outcome, call, *arguments, **keywords):
    with pytest.raises(Failure) as failure:
        call(*arguments, **keywords)
    assert (failure.value.status, failure.value.outcome) == (status, outcome), failure.value
    return failure.value.message


def test_host(node):
    host = node.call("GET", "/v1/host")
    assert host["accelerator"] in ("kvm", "qemu") and host["reason"]
    assert host["libvirt"].count(".") == 2 and host["qemu"].count(".") == 2
    assert host["cpus"] == os.cpu_count()
    assert 0 < host["free_memory_mib"] < host["memory_mib"]


UNLIMITED, LIMITED = ("warning", "not slowed down: this host has no control group"), ("ok", "slowed down, by the control group")
CONTROL_GROUPS = {  # what is in /sys/fs/cgroup
    "true": UNLIMITED, "echo cpuset io memory > cgroup.controllers": UNLIMITED, "echo cpuset cpu io > cgroup.controllers": LIMITED,
    "mkdir cpu && echo 1024 > cpu/cpu.shares": LIMITED,
}


def test_it_says_whether_processors_can_be_limited(tmp_path):
    """On hosts with and without the group, of either version, as `minicloud doctor` asks it where it does not serve."""
    asked = {}
    for groups, wanted in CONTROL_GROUPS.items():
        command = (f"mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup && {groups} && exec {BUILD}/minicloud-hypervisor --findings yes"
                   f" --libvirt-uri qemu+unix:///system?socket={tmp_path}/none")
        asked[subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", command], stdout=subprocess.PIPE, text=True)] = wanted
    for process, (severity, word) in asked.items():
        found, = (f for f in json.loads(process.communicate(timeout=PATIENCE_S)[0])["findings"] if f["what"] == "processor-limits")
        assert process.returncode == 0 and found["severity"] == severity and word in found["text"], found
        assert severity == "ok" or "qemu.conf" in found["remedy"]


def test_life(node, events, make):
    instance = make(text="HELLO\r\n")
    answer = instance.put("paused")
    assert (answer["id"], answer["state"]) == (instance.id, "paused")
    assert instance.tap in node.links()
    events.expect(instance=instance.id, event="paused")
    assert output(instance) == ""
    assert instance.put("paused")["pid"] == answer["pid"]
    assert node.call("PUT", instance.url, {"state": "paused", "start": False})["pid"] == answer["pid"]

    assert instance.put("running")["state"] == "running"
    events.expect(instance=instance.id, event="running")
    prints(node, instance, "HELLO\r\n")
    assert instance.console()["bytes"] == 7
    assert instance.put("running")["pid"] == answer["pid"]
    assert instance.put("paused")["state"] == "running"  # asks for no less than what is there

    # This guest does not care for its power button: force.
    assert instance.put("stopped")["state"] == "running"
    assert instance.put("stopped")["state"] == "running"
    stopped = instance.put("stopped", force=True)
    assert (stopped["state"], stopped["reason"]) == ("stopped", "destroyed") and "pid" not in stopped
    events.expect(instance=instance.id, event="stopped", reason="destroyed")
    assert instance.tap not in node.links()
    assert instance.put("stopped")["state"] == "stopped"
    refused(409, "conflict", instance.put, "paused", start=False)
    assert instance.get()["state"] == "stopped"
    assert output(instance) == "HELLO\r\n"  # the last boot's words stay

    assert instance.delete() == {} and instance.delete() == {}
    refused(404, "not_found", instance.get)
    refused(404, "not_found", instance.console)
    refused(404, "not_found", instance.put, "running")
    refused(404, "not_found", instance.put, "paused", start=False)
    refused(404, "not_found", instance.put, "stopped")
    refused(404, "not_found", instance.reboot, hard=True)


def test_qemu_has_its_own_user_and_files_keep_their_owner(node, make):
    if not node.users:
        pytest.skip("minicloud's users do not exist here yet")
    instance = make()
    path = instance.document["disks"][0]["path"]
    before = os.stat(path)
    pid = instance.put("paused")["pid"]
    assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("minicloud-qemu").pw_uid
    assert os.stat(f"/proc/{node.daemon.pid}").st_uid == pwd.getpwnam("minicloud-hypervisor").pw_uid
    log = os.stat(node.console / f"{instance.id}.log")
    assert (log.st_mode & 0o777, log.st_uid) == (0o644, pwd.getpwnam("minicloud-hypervisor").pw_uid)
    instance.delete()
    after = os.stat(path)
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


def test_a_paused_guest_hears_no_button(events, make):
    """Its processors stand still: it is stopped without being asked."""
    instance = make()
    instance.put("paused")
    assert instance.put("stopped")["state"] == "stopped"
    events.expect(instance=instance.id, event="stopped", reason="destroyed")
    assert instance.run()["state"] == "running", "and can be started again"


def test_power_button_and_second_boot(node, events, make):
    instance = make(text="ONE\r\n", obeys_button=True)
    instance.run()
    prints(node, instance, "ONE\r\n")
    instance.put("stopped")
    events.expect(instance=instance.id, event="stopped", reason="guest-shutdown")
    assert instance.get()["reason"] == "guest-shutdown"
    refused(409, "conflict", instance.put, "running")
    refused(409, "conflict", instance.reboot, hard=False)

    # A start from off takes the new definition and empties the log.
    instance.document["disks"][0]["path"] = str(node.disk("second.raw", text="TWO\r\n"))
    instance.run()
    prints(node, instance, "TWO\r\n")


def test_a_guest_that_does_not_let_go_of_an_interface(node, make):
    """It is asked, again and again; the interface stays until it answers, or is off."""
    guest = make()
    guest.run()
    eni = guest.document["nics"][0]["eni"]
    for _ in range(3):
        assert node.call("DELETE", f"{guest.url}/nics/{eni}") == {"state": "detaching"}
        assert [n["eni"] for n in guest.get()["nics"]] == [eni] and guest.tap in node.links()
    guest.put("stopped", force=True)
    assert node.call("DELETE", f"{guest.url}/nics/{eni}") == {"state": "detached"}


def test_reboot(node, events, make):
    soft, hard = make(text="S", obeys_button=True), make(text="H")
    for instance in (soft, hard):
        instance.run()
    prints(node, soft, "S")
    prints(node, hard, "H")
    pids = [instance.get()["pid"] for instance in (soft, hard)]
    hard.reboot(hard=True)
    events.expect(instance=hard.id, event="rebooted")
    prints(node, hard, "HH")
    soft.reboot(hard=False)
    prints(node, soft, "SS")
    assert [instance.get()["pid"] for instance in (soft, hard)] == pids


def test_a_killed_qemu_is_a_crash(node, events, make):
    instance = make()
    os.kill(instance.run()["pid"], signal.SIGKILL)
    events.expect(instance=instance.id, event="crashed", reason="crashed")
    assert instance.get()["state"] == "crashed"
    node.wait_for(lambda: instance.tap not in node.links())
    refused(409, "conflict", instance.put, "running")
    assert instance.run()["state"] == "running"


def test_a_terminated_qemu_is_no_guest_shutdown(events, make):
    instance = make()
    os.kill(instance.run()["pid"], signal.SIGTERM)
    events.expect(instance=instance.id, event="stopped", reason="host-shutdown")
    answer = instance.get()
    assert (answer["state"], answer["reason"]) == ("stopped", "host-shutdown")


def test_bad_documents(node, make):
    instance = make()
    path = instance.document["disks"][0]["path"]
    instance.document["disks"][0]["path"] = "/etc/shadow"
    assert "disks[0].path" in refused(400, "bad_request", instance.put, "paused")
    instance.document["disks"][0]["path"] = path
    assert "memory_mib" in refused(400, "bad_request", instance.put, "paused", memory_mib=1)
    assert "state" in refused(400, "bad_request", instance.put, "hibernated")
    refused(400, "bad_request", node.call, "PUT", "/v1/instances/i-..etc", {"state": "stopped"})
    refused(400, "bad_request", node.call, "PUT", instance.url, {"state": "paused"})
    refused(404, "not_found", instance.get)


def test_what_cannot_start_leaves_nothing(node, make):
    instance = make()
    assert "memory" in refused(507, "no_capacity", instance.put, "paused", memory_mib=1 << 22)
    os.unlink(instance.document["disks"][0]["path"])
    refused(500, "internal", instance.put, "paused")
    refused(404, "not_found", instance.get)
    refused(404, "not_found", instance.console)
    assert instance.tap not in node.links()


def test_memory_is_promised_once(node, make):
    """A guest that has touched nothing yet has a right to all that it was started with. Two thirds are there for one and
    not for two, whatever others on this machine take or give back meanwhile."""
    first, second = make(), make()
    most = node.call("GET", "/v1/host")["free_memory_mib"] * 2 // 3
    first.put("paused", memory_mib=most)
    assert "promised to guests" in refused(507, "no_capacity", second.put, "paused", memory_mib=most)
    refused(404, "not_found", second.get)
    first.delete()
    assert second.put("paused", memory_mib=most // 2)["state"] == "paused"


def test_an_instance_that_ran_survives_a_failed_start(make):
    instance = make()
    instance.run()
    instance.put("stopped", force=True)
    os.rename(instance.document["disks"][0]["path"], instance.document["disks"][0]["path"] + ".away")
    refused(500, "internal", instance.put, "paused")
    answer = instance.get()
    assert answer["state"] == "stopped" and answer["reason"] in ("start-failed", "destroyed")
    os.rename(instance.document["disks"][0]["path"] + ".away", instance.document["disks"][0]["path"])
    assert instance.run()["state"] == "running"


def test_requests_at_the_same_time(make):
    instances = [make() for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: i.put("paused"), instances * 4))
        assert len({answer["pid"] for answer in answers}) == 4
        assert all(answer["state"] == "running" for answer in pool.map(lambda i: i.put("running"), instances * 4))
        assert all(answer == {} for answer in pool.map(lambda i: i.delete(), instances * 4))


def test_a_stuck_qemu_is_in_nobodys_way(make):
    """libvirt waits for ten seconds before it kills a QEMU that does not end."""
    stuck, other = make(), make()
    other.run()
    os.kill(stuck.run()["pid"], signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        deletion = pool.submit(stuck.delete)
        other.reboot(hard=True)
        assert other.delete() == {}
        assert not deletion.done()
        assert deletion.result(PATIENCE_S) == {}


def test_libvirtd_dies(node, events, make):
    instance = make(text="ON\r\n")
    pid, libvirtd = instance.run()["pid"], node.libvirtd_pid()
    prints(node, instance, "ON\r\n")
    os.kill(libvirtd, signal.SIGKILL)
    events.expect(event="resync", reason="connected")
    assert node.libvirtd_pid() != libvirtd
    answer = instance.get()
    assert (answer["state"], answer["pid"]) == ("running", pid)
    # And events come again.
    events.expect(event="resync", reason="settled")
    os.kill(pid, signal.SIGKILL)
    events.expect(instance=instance.id, event="crashed")


def test_libvirt_that_may_not_limit_processors(node, events, make):
    """The host has the control group, and libvirt's configuration keeps it from using it: a limit is refused, and the doctor says
    so until one works."""
    def finding():
        found, = (f for f in node.call("GET", "/v1/findings")["findings"] if f["what"] == "processor-limits")
        return found["severity"], found["text"]

    def start_anew(text):
        config.write_text(text, encoding="ascii")
        os.kill(node.libvirtd_pid(), signal.SIGKILL)
        events.expect(event="resync", reason="settled")

    def limit(instance):
        return node.call("POST", f"/v1/instances/{instance.id}/processors", {"quota_us": 50000})

    if finding()[0] != "ok":
        pytest.skip("SKIPPED LOUDLY: no control group of processors here, a libvirt that does not use it is not tried")
    config = node.libvirt / "etc/qemu.conf"
    before = config.read_text(encoding="ascii")
    assert '[ "devices", "cpu" ]' in before
    start_anew(before.replace('[ "devices", "cpu" ]', '[ "devices" ]'))
    try:
        without = make()
        without.run()
        assert "control group" in refused(501, "unsupported", limit, without)
        severity, text = finding()
        assert severity == "warning" and "libvirt uses no control group" in text
    finally:
        start_anew(before)
    instance = make()
    instance.run()
    assert limit(instance) == {} and finding()[0] == "ok"


def test_unavailable_while_libvirtd_does_not_answer(node, events, make):
    instance = make()
    instance.run()
    reaper = int((node.libvirt / "run/reaper.pid").read_text(encoding="ascii").split()[0])
    os.kill(reaper, signal.SIGSTOP)  # nobody starts it again
    try:
        os.kill(node.libvirtd_pid(), signal.SIGKILL)
        node.wait_for(lambda: not node.answers())
        refused(503, "unavailable", instance.get)
        refused(503, "unavailable", node.call, "GET", "/v1/instances")
        refused(503, "unavailable", instance.put, "running")
        refused(503, "unavailable", instance.delete)
        assert "output" in instance.console()
    finally:
        os.kill(reaper, signal.SIGCONT)
    events.expect(event="resync", reason="connected")
    assert instance.get()["state"] == "running"


def test_a_crash_that_nobody_saw(node, events, make):
    instance = make()
    pid = instance.run()["pid"]
    reaper = int((node.libvirt / "run/reaper.pid").read_text(encoding="ascii").split()[0])
    os.kill(reaper, signal.SIGSTOP)
    try:
        os.kill(node.libvirtd_pid(), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(reaper, signal.SIGCONT)
    events.expect(event="resync", reason="settled")
    assert instance.get()["state"] == "crashed"
    assert instance.run()["state"] == "running"


@pytest.mark.parametrize("how,reason", [("button", "guest-shutdown"), (signal.SIGTERM, "host-shutdown"),
                                        (signal.SIGKILL, "crashed")])
def test_an_end_is_not_forgotten(node, events, make, how, reason):
    """libvirtd forgets how a domain ended when it is restarted, and the daemon may be too."""
    instance = make(obeys_button=True)
    pid = instance.run()["pid"]
    if how == "button":
        prints(node, instance, "HELLO\r\n")
        instance.put("stopped")
    else:
        os.kill(pid, how)
    ended = events.expect(instance=instance.id, reason=reason)["event"]
    os.kill(node.libvirtd_pid(), signal.SIGKILL)
    events.expect(event="resync", reason="settled")
    node.end_daemon(signal.SIGKILL)
    node.start_daemon()
    answer = instance.get()
    assert (answer["state"], answer["reason"]) == (ended, reason)
    assert instance.run()["state"] == "running"


def test_an_end_with_the_host(node, make):
    """After a reboot nothing is known of what ran: that tells it from what died."""
    instance = make()
    instance.run()
    node.end_daemon(signal.SIGKILL)
    node.stop_libvirtd()
    shutil.rmtree(node.ended)
    node.start_libvirtd()
    node.start_daemon()
    answer = instance.get()
    assert (answer["state"], answer["reason"]) == ("stopped", "unknown")


def terminal_of(pid):
    """The other end of a QEMU's serial port."""
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # just closed
            found = re.search(r"^tty-index:\s*(\d+)", path.read_text(encoding="ascii"), re.M)
            if found:
                return f"/dev/pts/{found[1]}"
    raise AssertionError("it has none")


def let_go(node, instance, pid, said):
    """Have a guest of ejecting_sector() let go of all that it is to; it has spoken so often then."""
    with open(os.open(terminal_of(pid), os.O_WRONLY | os.O_NOCTTY), "wb", buffering=0) as terminal:
        terminal.write(b"!")
        prints(node, instance, "HERE\r\n" * said)  # QEMU looks now and then whether somebody holds the other end


@pytest.fixture
def ejecting(node, make):
    """A running guest that lets go when it is told to, with a second disk; and its QEMU."""
    instance = make()
    pathlib.Path(instance.document["disks"][0]["path"]).write_bytes(ejecting_sector("HERE\r\n"))
    instance.second = f"vol-{'8' * 17}"
    instance.document["disks"].append({"volume": instance.second, "path": str(qcow2(node, "second")), "format": "qcow2"})
    pid = instance.run()["pid"]
    prints(node, instance, "HERE\r\n")
    return instance, pid


def qcow2(node, name, backing=None):
    """A disk as storaged would own it."""
    path = node.store / f"{name}.qcow2"
    words = ["-b", backing.name, "-F", "qcow2"] if backing else [path, "1M"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words, *([path] if backing else [])], check=True, cwd=node.store)
    if node.users:
        shutil.chown(path, group="minicloud-disk")
    path.chmod(0o660)
    return path


@pytest.fixture
def judge(node):
    """Asked at libvirtd's points; its verdict is given later."""
    it = Judge(node.points, lambda point, pid: it.decide(point, pid))
    it.decide = lambda point, pid: None
    it.begin("now")
    yield it
    node.points.unlink()
    assert not it.failure


def test_a_guest_lives_that_let_go_when_asked_again(node, events, ejecting, judge):
    """libvirt 9.0 does not write down that a device is gone which it finds gone already when it asks for it. Its successor
    would miss the device in QEMU, and end the guest."""
    instance, pid = ejecting
    nic = f"{instance.url}/nics/eni-{'7' * 17}"
    node.call("PUT", nic, {"mac": "06:00:00:00:00:77", "link": "down"})
    asked = []

    def decide(point, _):
        """QEMU has no such device any more before the second request reaches it."""
        if point.place == "qmp:device_del":
            asked.append(point)
        if len(asked) == 2:
            let_go(node, instance, pid, 2)

    judge.decide = decide
    assert node.call("DELETE", nic) == {"state": "detaching"}
    assert node.call("DELETE", nic) == {"state": "detached"}
    assert len(asked) == 2
    os.kill(node.libvirtd_pid(), signal.SIGKILL)
    events.expect(event="resync", reason="settled")
    answer = instance.get()
    assert (answer["state"], answer.get("pid")) == ("running", pid)
    assert [n["eni"] for n in answer["nics"]] == [instance.document["nics"][0]["eni"]]


def dies_once(judge, place, after=None):
    """libvirtd at that place, the first time after it has passed another."""
    passed = []

    def decide(point, pid):
        if point.place == place and (not after or after in passed) and "dead" not in passed:
            passed.append("dead")
            kill_and_wait(pid)
        passed.append(point.place)

    judge.decide = decide
    return passed


def insists(node, method, path, body, meanwhile=lambda: None):
    """As the API daemon does: again, until it is done."""
    def done():
        try:
            return node.call(method, path, body)
        except Failure as e:
            assert e.status == 503, e
            meanwhile()
            return None
    node.wait_for(done)


@pytest.mark.parametrize("what", ["disk", "nic"])
@pytest.mark.parametrize("place", ["qmp:device_add", "save:domain"])
def test_libvirtd_dies_while_it_attaches(node, ejecting, judge, place, what):
    """The file is open in QEMU, and the guest perhaps has the device, of which libvirtd's successor knows nothing."""
    instance, pid = ejecting
    new = {"disk": f"vol-{'9' * 17}", "nic": f"eni-{'9' * 17}"}[what]
    passed = dies_once(judge, place, "qmp:device_add" if place == "save:domain" else None)
    said = []

    def meanwhile():
        if "qmp:device_del" in passed and not said:
            said.append(True)
            let_go(node, instance, pid, 2)

    words = {"path": str(qcow2(node, "third")), "format": "qcow2"} if what == "disk" else {"mac": "06:00:00:00:00:99", "link": "down"}
    insists(node, "PUT", f"{instance.url}/{what}s/{new}", words, meanwhile)
    assert "dead" in passed
    answer = instance.get()
    assert (answer["state"], answer.get("pid")) == ("running", pid)
    assert new in [*(d["volume"] for d in answer["disks"]), *(n["eni"] for n in answer["nics"])]


def opened(pid):
    """The names of the files that a process has open: whether one of its descriptors may write to it."""
    found = {}
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # just closed
            name, mode = os.path.basename(os.readlink(path)), os.stat(path, follow_symlinks=False).st_mode
            found[name] = found.get(name, False) or bool(mode & 0o200)
    return found


@pytest.mark.parametrize("place", ["qmp:transaction", "save:domain"])
def test_libvirtd_dies_while_it_switches(node, ejecting, judge, place):
    """QEMU has the new file open, or writes to it already, of which libvirtd's successor knows nothing."""
    instance, pid = ejecting
    passed = dies_once(judge, place, "qmp:transaction" if place == "save:domain" else None)
    overlay = qcow2(node, "overlay", node.store / "second.qcow2")
    insists(node, "POST", instance.url + "/snapshot", {"disks": [{"volume": instance.second, "path": str(overlay)}]})
    assert "dead" in passed
    assert instance.get().get("pid") == pid and {"second.qcow2", "overlay.qcow2"} <= opened(pid).keys()
    writes = opened(pid)  # it writes there: the other file is not even open for it
    assert overlay.stat().st_size and writes["overlay.qcow2"] and not writes["second.qcow2"]
    use_the_disk(node, instance, [node.store / "second.qcow2", overlay])


def use_the_disk(node, instance, chain):
    """libvirt knows what the disk's files are: one more is put on them, all are pulled into that one, and it grows."""
    disk, top = f"{instance.url}/disks/{instance.second}", qcow2(node, "top", chain[-1])
    node.call("POST", instance.url + "/snapshot", {"disks": [{"volume": instance.second, "path": str(top)}]})
    pull = {"action": "start", "kind": "pull", "base": str(chain[0]), "top": str(top)}
    node.wait_for(lambda: node.call("POST", f"{disk}/merge", pull)["state"] == "done")
    assert opened(instance.get()["pid"]).keys() & {path.name for path in (*chain, top)} == {chain[0].name, top.name}
    assert node.call("POST", f"{disk}/grow", {"bytes": 2 << 20})["path"] == str(top)


@pytest.mark.parametrize("place,after", [("qmp:job-dismiss", None), ("qmp:blockdev-del", "qmp:job-dismiss"),
                                         ("save:domain", "qmp:job-dismiss")])
def test_libvirtd_dies_at_the_end_of_a_pull(node, ejecting, judge, place, after):
    """It has not acknowledged it, and QEMU 7.2 dies then when it is asked for all its nodes; or has not noted it, and the
    next would go on from the chain of before."""
    instance, pid = ejecting
    chain = [node.store / "second.qcow2"]
    for name in ("overlay", "middle"):
        chain.append(qcow2(node, name, chain[-1]))
        node.call("POST", instance.url + "/snapshot", {"disks": [{"volume": instance.second, "path": str(chain[-1])}]})
    passed = dies_once(judge, place, after)
    pull = {"action": "start", "kind": "pull", "base": str(chain[0]), "top": str(chain[-1])}

    def is_done():
        try:
            return node.call("POST", f"{instance.url}/disks/{instance.second}/merge", pull)["state"] == "done"
        except Failure as e:
            assert e.status == 503, e
            return False
    node.wait_for(is_done)
    assert "dead" in passed and instance.get().get("pid") == pid
    assert opened(pid).keys() & {path.name for path in chain} == {chain[0].name, chain[-1].name}
    use_the_disk(node, instance, [chain[0], chain[-1]])


def test_a_pull_is_not_done_where_the_qemu_died(node, ejecting, judge):
    """The header of the top says so already, but what was moved was still in QEMU's memory."""
    instance, pid = ejecting
    chain = [node.store / "second.qcow2"]
    for name in ("overlay", "top"):
        chain.append(qcow2(node, name, chain[-1]))
        node.call("POST", instance.url + "/snapshot", {"disks": [{"volume": instance.second, "path": str(chain[-1])}]})
    passed = []

    def decide(point, _):
        """libvirt has begun to close the files between; somebody asks all the while."""
        if point.place == "qmp:blockdev-del" and "qmp:block-stream" in passed:
            kill_and_wait(pid)
        passed.append(point.place)

    judge.decide = decide
    pull = {"action": "start", "kind": "pull", "base": str(chain[0]), "top": str(chain[-1])}
    with pytest.raises(Failure) as failure:
        node.wait_for(lambda: node.call("POST", f"{instance.url}/disks/{instance.second}/merge", pull)["state"] != "running")
    assert failure.value.status == 409, failure.value
    assert "qmp:blockdev-del" in passed


def test_a_file_that_stands_on_others_is_no_leftover(node, ejecting):
    """What cannot be attached is refused, not to be tried again; and nobody talks of a libvirtd that died."""
    instance, _ = ejecting
    overlay = qcow2(node, "overlay", node.store / "second.qcow2")
    node.call("POST", instance.url + "/snapshot", {"disks": [{"volume": instance.second, "path": str(overlay)}]})
    before = len(node.log.read_text(encoding="utf-8"))
    with pytest.raises(Failure) as failure:
        node.call("PUT", f"{instance.url}/disks/vol-{'9' * 17}", {"path": str(node.store / "missing"), "format": "qcow2"})
    assert failure.value.status == 500, failure.value
    assert "libvirtd that died" not in node.log.read_text(encoding="utf-8")[before:]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_daemon_is_restarted(node, make, how):
    running, paused = make(), make()
    before = [running.run(), paused.put("paused")]
    status = node.end_daemon(how)
    assert status == (0 if how == signal.SIGTERM else -how)
    node.start_daemon()
    assert [running.get(), paused.get()] == before
    listed = {i["id"]: i["state"] for i in node.call("GET", "/v1/instances")["instances"]}
    assert listed == {running.id: "running", paused.id: "paused"}


def test_foreign_domains_are_left_alone(node, make):
    foreign = make()
    document = "<domain type='qemu'><name>{}</name><memory unit='MiB'>32</memory><os><type>hvm</type></os></domain>"
    virsh = shutil.which("virsh")
    if not virsh:
        pytest.skip("no virsh")
    uri = f"qemu+unix:///system?socket={node.libvirt}/run/libvirt-sock"
    for name in (foreign.id, "somebody-elses"):
        node.inside(virsh, "-c", uri, "define", "/dev/stdin", input=document.format(name))
    try:
        assert node.call("GET", "/v1/instances") == {"instances": []}
        refused(409, "conflict", foreign.put, "paused")
        refused(409, "conflict", foreign.delete)
    finally:
        for name in (foreign.id, "somebody-elses"):
            node.inside(virsh, "-c", uri, "undefine", name)


def test_strangers_are_refused(node):
    script = f"""
import os, socket
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX); s.connect({str(node.socket)!r})
s.sendall(b"GET /v1/host HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n")
print(s.recv(100).split()[1].decode())
"""
    mode = os.stat(node.socket).st_mode & 0o777
    assert mode == 0o660
    os.chmod(node.socket, 0o666)
    os.chmod(node.socket.parent, 0o777)
    try:
        assert node.inside("/usr/bin/python3", "-c", script).strip() == "403"
    finally:
        os.chmod(node.socket, mode)
        os.chmod(node.socket.parent, 0o770)


def test_several_listeners(node, events, make):
    others = [node.events() for _ in range(3)]
    instance = make()
    instance.put("paused")
    for listener in (events, *others):
        listener.expect(instance=instance.id, event="paused")
    for listener in others:
        listener.close()


def test_the_reaper_is_killed(node, make):
    """libvirtd goes on; the next start replaces it, and the guests stay."""
    instance = make()
    pid = instance.run()["pid"]
    reaper = int((node.libvirt / "run/reaper.pid").read_text(encoding="ascii").split()[0])
    os.kill(reaper, signal.SIGKILL)
    assert instance.get()["pid"] == pid
    libvirtd = node.libvirtd_pid()
    node.start_libvirtd()
    node.wait_for(lambda: node.libvirtd_pid() != libvirtd)
    node.wait_for(node.answers)
    assert instance.get()["pid"] == pid


def test_another_libvirtd_stops(node, tmp_path):
    """Mount points that it made stay while ours is mounted on them: to remove one would unmount ours."""
    script = ROOT / "deploy/private-libvirtd"

    def mounts():
        with open(f"/proc/{node.libvirtd_pid()}/mountinfo", encoding="utf-8") as lines:
            return sorted(line.split()[4] for line in lines if "/libvirt" in line.split()[4])

    before = mounts()
    assert len(before) == 5
    node.inside(script, "start", tmp_path / "other", "root", "root", "root")
    node.inside(script, "stop", tmp_path / "other")
    assert mounts() == before
    # The other way round: what the first one made outlives it where another still needs it.
    assert node.inside("unshare", "-m", "--propagation", "private", "bash", "-ec", TWO, "two", script,
                       tmp_path / "a", tmp_path / "b").split() == ["5", "gone"]


# With parents of its own, so that nothing is there before: a, b start; a, b stop.
TWO = """
for parent in /run /var/lib /var/cache /var/log; do mount -t tmpfs none $parent; done
"$1" start "$2" root root root
"$1" start "$3" root root root
"$1" stop "$2"
grep -c ' /[^ ]*/libvirt ' /proc/$(cat "$3/run/libvirtd.pid")/mountinfo
"$1" stop "$3"
[ -d /run/libvirt ] || [ -d /var/lib/libvirt ] || echo gone
"""


def test_stop_leaves_nothing(node, make):
    """The last one: afterwards the node starts afresh, for make's own check."""
    instance = make()
    instance.run()
    assert len(node.mates()) >= 2
    mates = node.mates()
    node.stop_libvirtd()
    assert not [pid for pid in mates if os.path.exists(f"/proc/{pid}/exe")]
    assert not (node.libvirt / "run").exists()
    assert instance.tap not in node.links()
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert str(node.libvirt) not in mounts.read()
    assert json.loads(node.inside("ip", "-j", "link"))[0]["ifname"] == "lo"
    node.start_libvirtd()
    node.wait_for(node.answers)
    assert instance.get()["state"] in ("stopped", "crashed")


@pytest.mark.parametrize("option, word", [
    (("--libvirt-uri", "qemu+unix:///system?socket=/nonexistent/sock", "--connect-timeout", "1"), "/nonexistent/sock"),
    (("--accelerator", "xen"), "xen"),
    (("--qemu-user", "no-such-user"), "no-such-user"),
    (("--allow", "no-such-user"), "no-such-user"),
    (("--console-dir", "/proc/none"), "/proc/none"),
    (("--hotplug-slots", "999"), "hotplug_slots"),
])
def test_it_says_why_it_cannot_start(node, tmp_path, option, word):
    uri = f"qemu+unix:///system?socket={node.libvirt}/run/libvirt-sock"
    done = subprocess.run([BUILD / "minicloud-hypervisor", "--libvirt-uri", uri, "--socket", tmp_path / "s",
                           "--fd-socket", tmp_path / "f", "--console-dir", tmp_path / "c", "--qemu-user", "root", "--qemu-group", "root",
                           "--allow", "root", *option], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert word in done.stderr
