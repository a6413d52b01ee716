"""The one cloud of a test run, and the instances that tests share."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from cloud import Cloud, DEBIAN_AWS, Guest, NEIGHBOUR  # noqa: E402  (the path above)
import leftovers  # noqa: E402

NEWER_AWS = 28  # minor version of the first aws-cli 1 that reads AWS_ENDPOINT_URL


# What is drawn at random is the same in each run; `make property` has others, and several.
SEED, SEEDS = (int(os.environ.get(name, "1")) for name in ("MINICLOUD_SEED", "MINICLOUD_SEEDS"))


def pytest_configure():
    if not os.environ.get("MINICLOUD_TEST_NAMESPACE"):
        pytest.exit("these tests need namespaces of their own: use tests/run integration", 2)
    # A terminated run takes its cloud down like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    """Who wants a seed is run with each."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEED, SEED + SEEDS))


def seed_of(item):
    return getattr(item, "callspec", None) and item.callspec.params.get("seed") or SEED


@pytest.fixture(autouse=True)
def chance(request):
    """A test draws the same whatever was before it; the state that it begins with."""
    random.seed(f"{seed_of(request.node)} {request.node.nodeid}")
    return random.getstate()


@pytest.fixture(scope="session")
def before():
    """What the machine had before the cloud."""
    return leftovers.Snapshot()


@pytest.fixture(scope="session")
def cloud(before):  # pylint: disable=unused-argument
    it = Cloud()
    try:
        it.start()
        yield it
    finally:
        if it.running or it.home.exists():
            it.launcher("stop", "--purge", "--grace", "0", check=False)
        it.forget()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what it drew from, and what the daemons logged last."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and getattr(item, "funcargs", {}).get("chance") not in (None, random.getstate()):
        report.sections.append(("drawn at random; the same again", f"MINICLOUD_SEED={seed_of(item)} tests/run integration -- '{item.nodeid}'"))
    cloud_used = getattr(item, "funcargs", {}).get("cloud")
    if report.when == "call" and report.failed and cloud_used and call.excinfo:
        report.sections.append(("daemons' logs", cloud_used.logs()))


@pytest.fixture
def ec2(cloud):
    return cloud.client()


@pytest.fixture(scope="session")
def neighbour(cloud):
    """A client of another account."""
    cloud.launcher("stop-one", "api")
    with contextlib.closing(sqlite3.connect(cloud.home / "api" / "minicloud.db")) as db:
        db.execute("INSERT INTO account (id, name) VALUES (?, 'neighbour')", (NEIGHBOUR["account"],))
        db.execute("INSERT INTO access_key (id, secret, account, created) VALUES (?, ?, ?, ?)",
                   (NEIGHBOUR["key_id"], NEIGHBOUR["secret"], NEIGHBOUR["account"], time.time_ns()))
        db.commit()
    cloud.launcher("start-one", "api")
    return cloud.client(key_id=NEIGHBOUR["key_id"], secret=NEIGHBOUR["secret"])


def newer_aws():
    """An AWS CLI that knows AWS_ENDPOINT_URL, where there is one on PATH."""
    path = shutil.which("aws")
    if not path or path == DEBIAN_AWS:
        return None
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.partition("/")[2].split()
    if done.returncode != 0 or not words:
        return None
    major, minor = (int(n) for n in words[0].split(".")[:2])
    return path if (major, minor) >= (1, NEWER_AWS) and (major, minor) != (2, 9) else None


# Of function scope: pytest would otherwise sort the tests by it.
@pytest.fixture(params=["debian", "newer"])
def aws_program(request):
    program = DEBIAN_AWS if request.param == "debian" else newer_aws()
    if not program:
        pytest.skip("no newer AWS CLI on PATH")
    return program


@pytest.fixture(scope="session")
def key_file(cloud):
    """A key pair made by the API; its private key."""
    path = cloud.own / "key"
    pair = cloud.client().create_key_pair(KeyName="tests", KeyType="ed25519")
    path.write_text(pair["KeyMaterial"], encoding="ascii")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def open_group(cloud):
    """A security group that lets SSH in."""
    ec2 = cloud.client()
    group = ec2.create_security_group(GroupName="open", Description="SSH from everywhere")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22,
                                         CidrIp="0.0.0.0/0")
    return group


USER_DATA = """#!/bin/sh
echo run >> /var/lib/user-data-ran
echo "user data speaks"
"""


@pytest.fixture(scope="session")
def launch(cloud, key_file, open_group):
    """What `aws ec2 run-instances` answered for the two shared instances, and how it was called."""
    script = cloud.own / "user-data"
    script.write_text(USER_DATA, encoding="ascii")
    words = ["ec2", "run-instances", "--image-id", cloud.tiny_image(), "--instance-type", "t3.nano",
             "--count", "2", "--key-name", "tests", "--security-group-ids", open_group,
             "--user-data", f"file://{script}", "--client-token", "the-pair",
             "--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=pair},{Key=role,Value=test}]",
             "ResourceType=volume,Tags=[{Key=Name,Value=pair-root}]"]
    return cloud.aws(*words), words


@pytest.fixture(scope="session")
def pair(cloud, launch, key_file):
    """Two running instances that can be logged into."""
    guests = [Guest(cloud, i["InstanceId"], key_file) for i in launch[0]["Instances"]]
    for guest in guests:
        cloud.wait_state(guest.id, "running")
    for guest in guests:
        guest.wait_ready()
    return guests
