"""`make install` into a directory, as packages are made: what is there is whole and starts."""

import configparser
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
DAEMONS = ("api", "hypervisor", "netd", "storaged")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The root directory that it was installed into."""
    root = tmp_path_factory.mktemp("install")
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={root}", "PREFIX=/opt/mc"], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "MAKEFLAGS": ""})
    return root


def files(root):
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}


def test_everything_is_where_it_belongs(tree):
    there = files(tree)
    assert {f for f in there if not f.startswith(("opt/mc/", "etc/"))} == set()
    assert {f for f in there if f.startswith("etc/")} == {"etc/minicloud/minicloud.conf"}
    assert {f for f in there if f.startswith("opt/mc/bin/")} == {
        "opt/mc/bin/minicloud", *(f"opt/mc/bin/minicloud-{d}" for d in DAEMONS)}
    assert {"launcher", "private-libvirtd", "launch-daemon", "reaper", "before-libvirtd"} <= {
        pathlib.Path(f).name for f in there if f.startswith("opt/mc/lib/minicloud/")}
    for name in ("instance-types.json", "ami-aliases.json", "prices.json"):
        assert (tree / "opt/mc/share/minicloud" / name).read_bytes() == (ROOT / "deploy" / name).read_bytes()
    assert {f"opt/mc/share/man/man8/minicloud-{d}.8" for d in DAEMONS} <= there
    assert {"opt/mc/share/man/man1/minicloud.1", "opt/mc/share/man/man1/minicloud-run-instances.1"} <= there
    assert {"opt/mc/share/bash-completion/completions/minicloud",
            "opt/mc/share/zsh/vendor-completions/_minicloud"} <= there


def test_what_the_systems_libvirtd_runs_before_it_starts(tree, tmp_path):
    """What one left that was killed in the midst of a start; libvirt 9.0 would hold it as starting for ever."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(tree / "opt/mc/lib/systemd/system/libvirtd.service.d/minicloud.conf")
    program = dict(parser["Service"])["ExecStartPre"].removeprefix("-")
    notes = {f"i-{'1' * 17}": 0, f"i-{'2' * 17}": os.getpid(), "not-ours": 0}
    for name, pid in notes.items():
        (tmp_path / f"{name}.xml").write_text(f"<domstatus state='running' reason='booted' pid='{pid}'><domain/></domstatus>\n",
                                              encoding="ascii")
        (tmp_path / f"{name}.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    done = subprocess.run([f"{tree}{program}", tmp_path], capture_output=True, text=True, check=True)
    assert {p.stem for p in tmp_path.glob("*.xml")} == set(list(notes)[1:]), done.stderr
    assert f"not begun instance=i-{'1' * 17}" in done.stderr


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_service_runs_what_was_installed(tree, daemon):
    """As a user that is made beforehand, who finds its directory."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read(tree / f"opt/mc/lib/systemd/system/minicloud-{daemon}.service")
    service = dict(parser["Service"])
    subprocess.run([f"{tree}{service['ExecStart']}", "--version"], check=True, capture_output=True)
    users = (tree / "opt/mc/lib/sysusers.d/minicloud.conf").read_text(encoding="ascii")
    directories = (tree / "opt/mc/lib/tmpfiles.d/minicloud.conf").read_text(encoding="ascii")
    assert re.search(f'^u {service["User"]} - "', users, re.M)
    assert re.search(f'^d /var/lib/minicloud/{daemon} 07[05]0 {service["User"]} {service["Group"]} -$', directories, re.M)


def test_nothing_is_writable_by_others(tree):
    for path in tree.rglob("*"):
        mode = path.lstat().st_mode
        assert not mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID), path
        program = "bin/" in str(path) or "lib/minicloud/" in str(path)
        if path.is_file():
            assert bool(mode & stat.S_IXOTH) == program, path


@pytest.mark.parametrize("daemon", DAEMONS)
def test_daemons_take_the_installed_configuration(tree, daemon):
    subprocess.run([tree / f"opt/mc/bin/minicloud-{daemon}", "-t", "--config", tree / "etc/minicloud/minicloud.conf"],
                   check=True, capture_output=True)


def test_the_client_speaks(tree):
    done = subprocess.run([tree / "opt/mc/bin/minicloud", "run-instances", "--help"], capture_output=True, text=True,
                          check=True)
    assert "--image-id" in done.stdout


def test_the_installed_launcher_starts_the_installed_daemons(tree):
    """Nothing tells it where they are, nor where the API daemon finds its files."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="in", dir="/tmp"))
    place.chmod(0o755)
    for directory in (tree, *tree.parents[:3]):
        directory.chmod(0o755)  # pytest's own are its user's alone

    def launcher(*words, check=True):
        done = subprocess.run([tree / "opt/mc/lib/minicloud/launcher", *words, "--home", place / "h", "--run", place / "r",
                               "--config", tree / "etc/minicloud/minicloud.conf"],
                              capture_output=True, text=True, timeout=900, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    try:
        launcher("prepare")
        for daemon in ("storaged", "api"):
            launcher("start-one", daemon)
            program = pathlib.Path(f"/proc/{int(launcher('pid', daemon))}/exe").resolve()
            assert program == tree / f"opt/mc/bin/minicloud-{daemon}"
    finally:
        for daemon in ("api", "storaged"):
            launcher("stop-one", daemon, check=False)
        shutil.rmtree(place)


def test_again_changes_nothing(tree):
    before = {f: (tree / f).read_bytes() for f in files(tree)}
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tree}", "PREFIX=/opt/mc"], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "MAKEFLAGS": ""})
    assert {f: (tree / f).read_bytes() for f in files(tree)} == before
