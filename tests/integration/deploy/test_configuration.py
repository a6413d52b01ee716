"""deploy/minicloud.conf shows every key of every daemon, with its default."""

import configparser
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
CONF = ROOT / "deploy" / "minicloud.conf"
DAEMONS = ("api", "hypervisor", "netd", "storaged")
ACTIONS = {"teardown", "findings", "operations"}  # flags that say what to do now, no settings


def parse(text):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("daemon", DAEMONS)
def test_keys_and_defaults(daemon):
    done = subprocess.run([ROOT / "build" / f"minicloud-{daemon}", "--dump-config", "--config", "/dev/null"],
                          env={"MINICLOUD_HOME": "/%H", "MINICLOUD_RUN": "/%R"}, capture_output=True, text=True,
                          check=True)
    real = {k: v.replace("/%", "%") for k, v in parse(done.stdout)[daemon].items() if k not in ACTIONS}
    shown = dict(parse(re.sub(r"^#(?=\S+ =)", "", CONF.read_text(encoding="utf-8"), flags=re.M))[daemon].items())
    assert shown == real


@pytest.mark.parametrize("daemon", DAEMONS)
def test_is_good_as_it_is(daemon):
    subprocess.run([ROOT / "build" / f"minicloud-{daemon}", "-t", "--config", CONF], check=True,
                   env=dict(os.environ), capture_output=True)


@pytest.mark.parametrize("daemon,line,why", [
    *((daemon, "log_level = loud", 'log_level: "loud" is none of error, warning, info, debug') for daemon in DAEMONS),
    *((daemon, "no_such_key = 1", "knows no no_such_key") for daemon in DAEMONS),
    *((daemon, "socket = here", 'socket: "here" is no absolute path') for daemon in DAEMONS),
    ("api", "listen = nowhere", 'listen: "nowhere" is not address:port'),
    ("api", "account = 12", 'account: "12" is not twelve digits'),
    ("api", "public_pool = 203.0.113.0", "public_pool: 203.0.113.0 is no network"),
    ("api", "workers = 0", "workers: 0 is not between 1 and 64"),
    ("hypervisor", "accelerator = xen", 'accelerator: "xen" is none of auto, kvm, tcg'),
    ("netd", "public_pool = 203.0.113.0/33", "public_pool: 203.0.113.0/33 is no network"),
    ("netd", "uplink = a/b", "uplink: a/b is no interface name"),
    ("netd", "dns_servers = example.org", "dns_servers: example.org is neither"),
    ("storaged", "reserve_percent = 91", "reserve_percent: 91 is not between 0 and 90"),
])
def test_what_the_check_finds(tmp_path, daemon, line, why):
    """What a daemon would not start with, -t says too."""
    path = tmp_path / "conf"
    path.write_text(f"[{daemon}]\n{line}\n", encoding="ascii")
    done = subprocess.run([ROOT / "build" / f"minicloud-{daemon}", "-t", "--config", path], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and why in done.stderr.replace("\\", "") and not done.stdout
