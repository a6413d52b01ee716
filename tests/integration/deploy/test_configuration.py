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
