"""deploy/launcher: repeated, half-way, killed, refused; in namespaces of its own."""

import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
DAEMONS = ("api", "hypervisor", "netd", "storaged")
NETD_CAPABILITIES = 1 << 10 | 1 << 12 | 1 << 13 | 1 << 21  # NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_ADMIN


class Launcher:
    """All of it lives in one directory and one network namespace."""

    def __init__(self, directory, namespace):
        self.directory, self.home, self.run_dir = directory, directory / "h", directory / "r"
        self.enter = ["nsenter", "-t", str(namespace), "-n", "-m", "--"]

    def __call__(self, *words, check=True, home=None, run_dir=None):
        done = subprocess.run(
            [str(w) for w in (*self.enter, ROOT / "deploy" / "launcher", *words, "--home", home or self.home,
                              "--run", run_dir or self.run_dir, "--bin", ROOT / "build", "--private-libvirtd")],
            capture_output=True, text=True, timeout=900, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def pids(self):
        return {name: int(self("pid", name).stdout) for name in DAEMONS}

    def processes(self):
        """Command lines in the namespace, the sleeper's left out."""
        ours = os.readlink(f"/proc/{self.enter[2]}/ns/net")
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(path / "ns" / "net") == ours and path.name != self.enter[2]:
                    found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                pass  # it has just ended
        return [line for line in found if line]


@pytest.fixture(scope="module")
def namespace():
    # It says when it is there, then waits for our end of the pipe to close.
    sleeper = subprocess.Popen(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c",
                                "ip link set lo up && echo ready && exec cat"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sleeper.stdout.readline() == b"ready\n"
    yield sleeper.pid
    sleeper.stdin.close()
    sleeper.wait()


@pytest.fixture
def launcher(namespace):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="la", dir="/tmp"))
    directory.chmod(0o755)
    it = Launcher(directory, namespace)
    yield it
    it("stop", "--grace", "0", check=False)
    shutil.rmtree(directory)


def kill(pid):
    fd = os.pidfd_open(pid)
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    assert select.select([fd], [], [], 300)[0]
    os.close(fd)


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(line.split(":", 1) for line in text.splitlines())


def test_users_and_privileges(launcher):
    launcher("start")
    for name, pid in launcher.pids().items():
        fields = status(pid)
        assert set(fields["Uid"].split()) != {"0"}, f"{name} runs as root"
        assert fields["NoNewPrivs"].strip() == "1"
        wanted = NETD_CAPABILITIES if name == "netd" else 0
        for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert int(fields[kind], 16) == wanted, (name, kind)
    assert (launcher.home / "store").group() == "minicloud-disk"
    assert launcher.run_dir.stat().st_mode & 0o7777 == 0o1770


def test_start_again_changes_nothing(launcher):
    launcher("start")
    before = launcher.pids()
    assert launcher("start").stdout == ""
    assert launcher.pids() == before


def test_start_completes_what_is_half(launcher):
    launcher("start")
    before = launcher.pids()
    kill(before["netd"])
    assert launcher("status", check=False).returncode == 3
    assert "minicloud-netd runs" in launcher("start").stdout
    after = launcher.pids()
    assert after.pop("netd") != before.pop("netd")
    assert after == before


def test_stop_leaves_nothing(launcher):
    launcher("start")
    launcher("stop")
    assert launcher.processes() == []
    assert not launcher.run_dir.exists() and launcher.home.exists()
    launcher("stop")
    launcher("stop", "--purge")
    assert not launcher.home.exists()


@pytest.mark.parametrize("dead", [DAEMONS, ("netd", "hypervisor"), ("api", "storaged")], ids="-".join)
def test_stop_after_a_crash(launcher, dead):
    launcher("start")
    for name, pid in launcher.pids().items():
        if name in dead:
            kill(pid)
    launcher("stop", "--purge")
    assert launcher.processes() == []
    assert not launcher.home.exists()


def test_a_stale_pid_file_kills_nobody(launcher):
    launcher("prepare")
    other = subprocess.Popen(["sleep", "infinity"])
    (launcher.run_dir / "storaged.pid").write_text(f"{other.pid} 1\n", encoding="ascii")
    launcher("stop")
    assert other.poll() is None
    other.kill()
    other.wait()


def test_foreign_directories_are_refused(launcher):
    foreign = launcher.directory / "photos"
    foreign.mkdir()
    (foreign / "holiday.jpg").write_bytes(b"x")
    for words in (["start"], ["stop", "--purge"]):
        done = launcher(*words, check=False, home=foreign)
        assert done.returncode == 1 and ".minicloud" in done.stderr
    done = launcher("start", check=False, run_dir=foreign)
    assert done.returncode == 1
    assert [p.name for p in foreign.iterdir()] == ["holiday.jpg"]


def test_closed_directory_is_explained(launcher):
    closed = launcher.directory / "closed"
    closed.mkdir(mode=0o700)
    done = launcher("start", check=False, home=closed / "h")
    assert done.returncode == 1 and "not reachable" in done.stderr and "chmod o+x" in done.stderr


def test_failure_shows_the_log(launcher):
    config = launcher.directory / "bad.conf"
    config.write_text("[netd]\npublic_pool = everything\n", encoding="ascii")
    config.chmod(0o644)
    done = launcher("start", "--config", config, check=False)
    assert done.returncode == 1
    assert "minicloud-netd did not start" in done.stderr and "everything" in done.stderr
    assert launcher("status", check=False).returncode == 3


def test_api_answers(launcher):
    launcher("start")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(launcher.run_dir / "minicloud.sock"))


@pytest.mark.parametrize("words", [["frob"], ["start", "--frob"], ["pid"], ["pid", "bash"], ["start", "--home"]])
def test_bad_words(words):
    done = subprocess.run([ROOT / "deploy" / "launcher", *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and done.stderr


def test_packages_are_here():
    done = subprocess.run([ROOT / "deploy" / "install-packages", "build", "run", "test"], capture_output=True,
                          text=True, check=True)
    assert "all packages" in done.stdout
    done = subprocess.run([ROOT / "deploy" / "install-packages", "frob"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "unknown set" in done.stderr
