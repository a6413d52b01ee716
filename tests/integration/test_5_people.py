"""What people watch: events, wait, progress, top; and one request id through all rooms."""

import contextlib
import http.client
import json
import re
import socket
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from cloud import BOOT_S, DAEMONS, IN_VAIN_S, REGION, ROOT, SHORT_S, can_connect, run, wait_until
from terminal import Terminal

MINICLOUD = ROOT / "build" / "minicloud"


class Stream:
    """GET /v1/events, read event by event."""

    def __init__(self, connection, path, headers):
        self.connection = connection
        connection.request("GET", path, headers=headers)
        self.answer = connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        """(event, id, data) of the next one; comments are passed over."""
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if not line and "data" in fields:
                return fields["event"], fields["id"], json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value

    def until(self, **wanted):
        """Events up to the first whose data has all of this; its data."""
        while True:
            _, _, data = self.next()
            if wanted.items() <= data.items():
                return data


def local_events(cloud, query="", **headers):
    connection = http.client.HTTPConnection("d", timeout=BOOT_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(BOOT_S)
    connection.sock.connect(str(cloud.run / "minicloud.sock"))
    return Stream(connection, "/v1/events" + query, headers)


def remote_events(cloud, query="", secret=None):
    request = botocore.awsrequest.AWSRequest("GET", f"{cloud.endpoint}/v1/events{query}")
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(cloud.key_id, secret or cloud.secret), "ec2",
                            REGION).add_auth(request)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(cloud.endpoint).netloc, timeout=BOOT_S)
    return Stream(connection, "/v1/events" + query, dict(request.headers.items()))


@pytest.fixture(scope="module")
def launched(cloud):
    """Ids of instances that these tests launch; they are terminated in the end."""
    ids = []
    yield ids
    if ids:
        cloud.client().terminate_instances(InstanceIds=ids)


def launch_one(cloud, launched):
    """(instance, request id)"""
    answer = cloud.client().run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1)
    launched.append(answer["Instances"][0]["InstanceId"])
    return launched[-1], answer["ResponseMetadata"]["RequestId"]


def daemon_log(cloud, daemon):
    return (cloud.home / "log" / f"{daemon}.log").read_text(encoding="utf-8")


def test_one_request_through_all_rooms(cloud, launched):
    """Every change of a launch is told, in order, and bears the id that the client got; so do all four logs."""
    with local_events(cloud) as events, remote_events(cloud, "?kind=instance&region=us-east-1") as signed:
        for stream in (events, signed):
            assert stream.answer.status == 200 and stream.next()[2] == {"reason": "listening"}
        instance, request = launch_one(cloud, launched)
        seen = [events.until(id=instance, change="created")]
        seen.append(events.until(id=instance, to="running"))
        assert [(e.get("from"), e["to"]) for e in seen] == [(None, "pending"), ("pending", "running")]
        assert {e["request"] for e in seen} == {request}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) for e in seen)
        assert cloud.instance(instance)["State"]["Name"] == "running"  # what is told is so
        while True:
            kind, _, data = signed.next()
            assert kind in ("state", "change") and data["kind"] == "instance"
            if data.get("to") == "running":
                break
    for daemon in ("api", "hypervisor", "netd", "storaged"):
        wait_until(f"{daemon} has logged it", lambda d=daemon: re.search(rf"^\S+ info \S+ {request} ", daemon_log(cloud, d), re.M), SHORT_S)


def test_events_are_for_those_who_may(cloud):
    with remote_events(cloud, secret="wrong") as refused:
        assert refused.answer.status == 401
        assert json.loads(refused.answer.read())["__type"] == "AuthFailure"
    status, text = cloud.plain("GET", "/v1/events")
    assert status in (400, 401, 403) and "__type" in text


def test_events_go_on_where_one_left(cloud, ec2):
    with local_events(cloud) as events:
        number = events.next()[1]
    key = ec2.create_key_pair(KeyName="events")["KeyPairId"]
    ec2.delete_key_pair(KeyName="events")
    with local_events(cloud, **{"Last-Event-ID": number}) as events:
        assert events.until(id=key)["change"] == "created"
        assert events.until(id=key)["change"] == "deleted"
    with local_events(cloud, **{"Last-Event-ID": "0badbeef-1"}) as events:
        assert events.next()[2] == {"reason": "unknown"}


def test_who_does_not_read_holds_up_nobody(cloud, ec2):
    """Connections that never read what they asked for, while a thousand things happen."""
    with contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(local_events(cloud)) for _ in range(20)]
        group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
        with local_events(cloud) as events:
            for i in range(3):
                ec2.create_tags(Resources=[group], Tags=[{"Key": f"k{n}", "Value": str(i)} for n in range(30)])
                events.until(id=group)
            ec2.delete_tags(Resources=[group], Tags=[{"Key": f"k{n}"} for n in range(30)])
            events.until(id=group)
        assert len(deaf) == 20


def count_calls(cloud, action):
    return len(re.findall(f"action={action} ", daemon_log(cloud, "api")))


def test_wait_follows(cloud, ec2):
    """It is there when the thing is, and has not asked more often than things happened."""
    words = [MINICLOUD, "wait", "key-pair-exists", "--key-names", "awaited"]
    before = count_calls(cloud, "DescribeKeyPairs")
    with Terminal(words, cloud.environment()) as t:
        wait_until("it has asked", lambda: count_calls(cloud, "DescribeKeyPairs") > before, SHORT_S)
        assert t.process.poll() is None
        ec2.create_key_pair(KeyName="awaited")
        assert t.end() == 0
    ec2.delete_key_pair(KeyName="awaited")


def top_rows(cloud):
    done = run(MINICLOUD, "top", "--once", "--output", "json", "--delay", "1", env=cloud.environment())
    return {row["id"]: row for row in json.loads(done.stdout)["Instances"]}


def test_top_has_real_figures(cloud, pair):
    busy, idle = pair
    loop = threading.Thread(target=busy.ssh, args=("while [ ! -e /tmp/enough ]; do :; done",),
                            kwargs={"check": False, "timeout": 4 * BOOT_S})
    loop.start()
    try:
        def figures():
            rows = top_rows(cloud)
            mine, other = rows[busy.id], rows[idle.id]
            return (mine, other) if mine.get("cpu_percent", 0) > 2 * other.get("cpu_percent", 1e9) else None
        mine, other = wait_until("the busy one shows", figures, BOOT_S)
    finally:
        busy.ssh("touch /tmp/enough")
        loop.join()
    wait_until("it rests again", lambda: top_rows(cloud)[busy.id].get("cpu_percent", 1e9) < mine["cpu_percent"] / 2, BOOT_S)
    assert mine["state"] == "running" and mine["type"] == "t3.nano"
    assert 1 << 20 < mine["memory_bytes"] < 1 << 30 and mine["memory_size_bytes"] == 512 << 20
    assert mine["name"] == "pair" and mine["age_s"] > 0 and other["vcpus"] == 2
    stats = {i["id"]: i for i in cloud.socket_call("minicloud", "GET", "/v1/stats")[1]["instances"]}

    def counted():
        now = {i["id"]: i for i in cloud.socket_call("minicloud", "GET", "/v1/stats")[1]["instances"]}
        return now[busy.id]["net_in_bytes"] > stats[busy.id]["net_in_bytes"] + 20000
    busy.ssh("cat >/dev/null", stdin="x" * 30000)
    wait_until("what went in is counted", counted, SHORT_S)


def test_top_lives(cloud, ec2, pair, launched):
    with Terminal([MINICLOUD, "top", "--delay", "3600"], cloud.environment(), columns=150) as t:
        t.expect(pair[0].id)
        assert not t.mode_is_restored()
        t.expect(f"{launched[0]} +[^ ]*running")
        ec2.stop_instances(InstanceIds=launched[:1])  # an event, an hour before the next look
        t.expect(f"{launched[0]} +[^ ]*stopp(ing|ed)")
        t.resize(10, 40)
        t.type("c")
        t.expect("minicloud top")
        t.type("q")
        assert t.end() == 0 and t.mode_is_restored() and "\x1b[?1049l" in t.text
    done = run(MINICLOUD, "top", "--batch", "--count", "2", "--delay", "1", "--output", "table", env=cloud.environment())
    assert done.stdout.count("minicloud top") == 2 and "\x1b" not in done.stdout


def test_progress_on_a_terminal(cloud, launched):
    words = [MINICLOUD, "run-instances", "--image-id", cloud.tiny_image(), "--instance-type", "t3.nano"]
    with Terminal(words, cloud.environment()) as t:
        launched.append(t.expect(r"(i-[0-9a-f]{17}) ")[1])
        t.expect(launched[-1] + r" +\S+running\S* +172\.31\.\d+\.\d+ +203\.0\.113\.\d+ +(\d+m ?)?\d+s", BOOT_S)
        assert t.end() == 0


def doctor(cloud, status):
    done = run(MINICLOUD, "doctor", "--output", "json", env=cloud.environment(), check=False)
    assert done.returncode == status, done.stdout + done.stderr
    findings = json.loads(done.stdout)["Findings"]
    assert all(f["text"] and f["daemon"] and (f["severity"] in ("ok", "info") or "remedy" in f) for f in findings)
    return {(f["daemon"], f["what"]): f for f in findings}


def test_doctor_of_a_healthy_cloud(cloud, pair):  # pylint: disable=unused-argument
    found = doctor(cloud, 0)
    good = {what for what, f in found.items() if f["severity"] == "ok"}
    assert good >= {("api", "daemon"), ("api", "images"), ("api", "stuck"), ("hypervisor", "libvirt"), ("hypervisor", "memory"),
                    ("netd", "kernel-feature"), ("netd", "forwarding"), ("netd", "foreign-firewall"), ("netd", "nft-rules"),
                    ("netd", "pool-clash"), ("netd", "bridge-ports"), ("storaged", "qemu-img")}
    assert {("hypervisor", "kvm"), ("api", "clock"), ("storaged", "disk-space")} <= set(found)
    shown = run(MINICLOUD, "doctor", "--output", "table", env=cloud.environment(AWS_ENDPOINT_URL=cloud.endpoint)).stdout
    assert "0 errors" in shown and "\x1b" not in shown


DOCKER = """table ip filter {
    chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER
    }
    chain DOCKER-USER { return
    }
}"""


@contextlib.contextmanager
def another_firewall(*_):
    run("nft", DOCKER)
    yield "DOCKER-USER"
    run("nft", "delete", "table", "ip", "filter")


@contextlib.contextmanager
def forwarding_off(*_):
    gateway = next(link["ifname"] for link in json.loads(run("ip", "-j", "link").stdout) if link["ifname"].startswith("mi"))
    run("sysctl", "-q", "-w", f"net.ipv4.conf.{gateway}.forwarding=0")
    yield f"{gateway}.forwarding=1"
    run("sysctl", "-q", "-w", f"net.ipv4.conf.{gateway}.forwarding=1")


@contextlib.contextmanager
def clashing_route(*_):
    run("ip", "route", "add", "203.0.113.128/25", "dev", "lo")
    yield "public_pool"
    run("ip", "route", "del", "203.0.113.128/25", "dev", "lo")


@contextlib.contextmanager
def full_bridge(cloud, guest):
    """Almost as many ports as a bridge can have."""
    bridge = "mb" + guest["SubnetId"].split("-")[1][:13]
    inside = ["nsenter", f"--net={cloud.run}/netns/{guest['VpcId']}", "ip"]
    run(*inside, "-batch", "-", input="".join(f"tuntap add dev full{n} mode tap\nlink set full{n} group 77 master {bridge}\n" for n in range(920)))
    yield "subnet"
    run(*inside, "link", "del", "group", "77")


@pytest.mark.parametrize("what,trouble", [("foreign-firewall", another_firewall), ("forwarding", forwarding_off),
                                          ("pool-clash", clashing_route), ("bridge-ports", full_bridge)])
def test_doctor_finds_and_explains(cloud, pair, what, trouble):
    """What others did to the host, with what to do about it, until it is undone."""
    with trouble(cloud, pair[0].described) as remedy:
        done = run(MINICLOUD, "doctor", "--output", "json", env=cloud.environment(), check=False)
        (found,) = [f for f in json.loads(done.stdout)["Findings"] if (f["daemon"], f["what"]) == ("netd", what)]
        assert found["severity"] in ("error", "warning") and remedy in found["remedy"], found
        assert done.returncode == (found["severity"] == "error")
    assert doctor(cloud, 0)["netd", what]["severity"] == "ok"


def test_doctor_tells_of_flushed_rules(cloud, pair):
    """They are restored before anybody asks, and that they were is told."""
    guest = pair[0]
    namespace = f"--net={cloud.run}/netns/{guest.described['VpcId']}"
    for flush, name in ((["nft", "flush", "ruleset"], "of the host were"),
                        (["nsenter", namespace, "nft", "flush", "ruleset"], guest.described["VpcId"])):
        run(*flush)
        wait_until("it is told", lambda n=name: n in doctor(cloud, 0)["netd", "nft-rules"]["text"], SHORT_S)
        assert can_connect(guest.public_ip, 22) and not can_connect(guest.public_ip, 23, IN_VAIN_S)


def test_doctor_of_a_cloud_that_lacks_daemons(cloud):
    """What does not answer is named, with what to do; what it would have said of the host is found out without it."""
    cloud.launcher("stop-one", "netd")
    try:
        found = doctor(cloud, 1)
        assert "minicloud-netd does not answer" in found["netd", "daemon"]["text"]
        cloud.launcher("stop-one", "api")
        found = doctor(cloud, 1)
        assert found["api", "daemon"]["severity"] == "error" and found["netd", "kernel-feature"]["severity"] == "ok"
        assert found["hypervisor", "libvirt"]["severity"] == "ok"
    finally:
        cloud.launcher("start-one", "netd")
        cloud.launcher("start-one", "api")
    doctor(cloud, 0)


MEASURED = {
    "api": {"instances", "accelerator", "events_total", "interface_bytes_total"},
    "hypervisor": {"ipc_requests_total", "hypervisor_domains", "hypervisor_libvirt_errors_total", "hypervisor_work_seconds"},
    "netd": {"ipc_requests_total", "netd_networks", "netd_rules", "netd_dropped_packets_total", "netd_nft_seconds"},
    "storaged": {"ipc_requests_total", "storaged_layers", "storaged_store_free_bytes", "storaged_volume_chain_files"},
}


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_daemon_is_measured_and_checks_its_configuration(cloud, daemon):
    connection = http.client.HTTPConnection("d", timeout=SHORT_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(cloud.run / ("minicloud.sock" if daemon == "api" else f"{daemon}.sock")))
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert all(re.fullmatch(r'# (TYPE|HELP) .*|[a-z_:]+(\{.*\})? [0-9.e+-]+', line) for line in text.splitlines()), text
    assert set(re.findall(r"^# TYPE minicloud_(\w+)", text, flags=re.M)) >= MEASURED[daemon]
    assert re.findall(r"^# HELP (\S+) \S", text, re.M) == re.findall(r"^# TYPE (\S+)", text, re.M), "each is explained"
    program = ROOT / "build" / f"minicloud-{daemon}"
    good, bad = cloud.own / "good.conf", cloud.own / "bad.conf"
    good.write_text(f"[{daemon}]\nlog_level = debug\n[other]\nx = y\n", encoding="ascii")
    bad.write_text(f"[{daemon}]\nlog_levels = debug\n", encoding="ascii")
    assert run(program, "-t", "--config", good).returncode == 0
    done = run(program, "-t", "--config", bad, check=False)
    assert done.returncode == 1 and "bad.conf:2" in done.stderr
    lines = [line for line in daemon_log(cloud, daemon).split("\n")[:-1] if not line.startswith(" ")]
    assert all(re.match(r"\S+Z (error|warning|info|debug) [a-z]+ \S+ ", line) for line in lines), lines[:5]
