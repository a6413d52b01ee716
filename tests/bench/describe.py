"""Describe calls with many stored instances, against moto's server."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials

import memory
from cloud import REGION, ROOT, run, wait_until
from row import Row

LOAD = ROOT / "build" / "bench" / "load"
CONNECTIONS, SECONDS = 4, 3
QUIET_S = 120
MOTO_PORT = 5079
MOTO_BATCH = 500
VERSION = "2016-11-15"


# --- one request, as bytes

def request_bytes(endpoint, key_id, secret, parameters):
    """A signed request as it goes over the wire, good for five minutes."""
    data = urllib.parse.urlencode({**parameters, "Version": VERSION}).encode()
    host = urllib.parse.urlsplit(endpoint).netloc
    request = botocore.awsrequest.AWSRequest(
        method="POST", url=endpoint + "/", data=data,
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": host})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(key_id, secret), "ec2", REGION).add_auth(request)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join(["POST / HTTP/1.1", *lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def load(endpoint, key_id, secret, parameters, directory):
    """What the load generator says; with its answer's size."""
    path = directory / "request"
    path.write_bytes(request_bytes(endpoint, key_id, secret, parameters))
    where = urllib.parse.urlsplit(endpoint)
    run(LOAD, where.hostname, where.port, path, 1, 0, timeout=600)  # one that does not count
    answer = json.loads(run(LOAD, where.hostname, where.port, path, CONNECTIONS, SECONDS, timeout=600).stdout)
    if answer["failed"] or not answer["requests"]:
        raise AssertionError(f"{endpoint} {parameters}: {answer}")
    answer["rate"] = answer["requests"] / answer["seconds"]
    return answer


# --- our rows

ID = re.compile(r"^(i|vol|eni)-[0-9a-f]{17}$")


class Rows:
    """Copies of one stopped instance with its volume and interface, in a database at rest."""

    def __init__(self, database, instance):
        self.db = sqlite3.connect(database)
        self.columns = self.columns_of("resource")
        rows = [dict(zip(self.columns, r)) for r in self.db.execute("SELECT * FROM resource ORDER BY seq")]
        own = next(r for r in rows if r["id"] == instance)
        spec = json.loads(own["spec"])
        ids = {instance, *spec["enis"], *(v["id"] for v in spec["volumes"])}
        self.template = [r for r in rows if r["id"] in ids]
        self.reservation = spec["reservation"]
        self.ip = json.loads(next(r for r in rows if r["id"] == spec["enis"][0])["spec"])["ip"]
        self.seq = max(r["seq"] for r in rows)
        self.meters = Meters(self, ids)
        self.made = 0

    def columns_of(self, table):
        return [c[1] for c in self.db.execute(f"PRAGMA table_info({table})")]

    def insert(self, table, rows):
        marks = ",".join("?" * len(self.columns_of(table)))
        self.db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def copy(self, number):
        """The rows of the number-th copy: other ids, reservation, address."""
        address = f"172.31.{16 + number // 250}.{number % 250 + 4}"
        swaps = {r["id"]: f"{r['id'].split('-')[0]}-{number:017x}" for r in self.template}
        swaps[self.reservation], swaps[f'"{self.ip}"'] = f"r-{number:017x}", f'"{address}"'
        self.meters.copy(swaps)
        for row in self.template:
            self.seq += 1
            new = dict(row, seq=self.seq)
            for column in ("id", "doc", "spec"):
                for old, fresh in swaps.items():
                    new[column] = new[column].replace(old, fresh)
            yield tuple(new[c] for c in self.columns)

    def grow(self, count):
        """As many copies as make count instances with the first one."""
        with self.db:
            for number in range(self.made + 1, count):
                self.insert("resource", list(self.copy(number)))
        self.made = count - 1

    def close(self):
        self.db.close()


class Meters:
    """The open usage records of the rows that are copied: a copy is billed like its model, and a start
    finds it so."""

    def __init__(self, rows, ids):
        self.rows = rows
        columns = rows.columns_of("usage_line")
        lines = [dict(zip(columns, line)) for line in rows.db.execute("SELECT * FROM usage_line")]
        columns = rows.columns_of("usage_open")
        self.open = [dict(zip(columns, one)) for one in rows.db.execute("SELECT * FROM usage_open")]
        self.open = [(one, next(line for line in lines if line["id"] == one["line"]))
                     for one in self.open if one["resource"] in ids]
        self.line = max((line["id"] for line in lines), default=0)

    def copy(self, swaps):
        for one, line in self.open:
            self.line += 1
            resource = swaps[one["resource"]]
            self.rows.insert("usage_line", [tuple(dict(line, id=self.line, resource=resource).values())])
            self.rows.insert("usage_open", [tuple(dict(one, resource=resource, line=self.line).values())])


# --- servers

class Ours:
    def __init__(self, cloud, instance, directory):
        self.cloud, self.instance, self.directory = cloud, instance, directory
        self.database = cloud.home / "api" / "minicloud.db"
        self.endpoint, self.credentials = cloud.endpoint, (cloud.key_id, cloud.secret)
        pid = cloud.pid("api")
        self.words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        self.environment = dict(e.split(b"=", 1) for e in
                                pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in e)
        self.environment.pop(b"NOTIFY_SOCKET", None)
        cloud.launcher("stop-one", "netd")  # or it would build the network of ten thousand interfaces
        cloud.launcher("stop-one", "api")
        self.rows = Rows(self.database, instance)
        self.process = None

    def start(self, count):
        """Start the daemon as the launcher does; the seconds to its first answer."""
        self.rows.grow(count)
        request = request_bytes(self.endpoint, *self.credentials, self.parameters("one"))
        where = urllib.parse.urlsplit(self.endpoint)
        log = open(self.cloud.home / "log" / "api.log", "ab")  # pylint: disable=consider-using-with
        began = time.monotonic()
        self.process = subprocess.Popen(
            ["setpriv", "--reuid=minicloud-api", "--regid=minicloud", "--init-groups", "--no-new-privs",
             "--inh-caps=-all", "--bounding-set=-all", "--", *self.words],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            try:
                with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
                    connection.sendall(request)
                    if connection.recv(64).startswith(b"HTTP/1.1 200"):
                        return time.monotonic() - began
                    raise AssertionError("the first answer is no good one")
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() - began > 60:
                    raise AssertionError("the API daemon does not answer\n" + self.cloud.logs()) from None
                time.sleep(0.0005)

    def settle(self):
        """Until the daemon has looked at everything and is quiet."""
        def quiet():
            before = self.cpu()
            time.sleep(0.5)
            return self.cpu() - before <= 2
        wait_until("the API daemon is quiet", quiet, QUIET_S)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def parameters(self, which):
        return {"one": {"Action": "DescribeInstances", "InstanceId.1": self.instance},
                "all": {"Action": "DescribeInstances"}, "vpcs": {"Action": "DescribeVpcs"}}[which]

    def measure(self, which):
        return load(self.endpoint, *self.credentials, self.parameters(which), self.directory)

    def memory(self):
        return memory.pss_mib(self.process.pid)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
            self.process = None

    def close(self):
        self.stop()
        self.rows.close()


def moto_program():
    """The moto server that is installed anywhere, or None."""
    words = [shutil.which("moto_server"), *sorted(map(str, pathlib.Path(os.environ.get("PYENV_ROOT", "/nowhere")).glob("versions/*/bin/moto_server")))]
    return next((w for w in words if w and os.access(w, os.X_OK)), None)


class Moto:
    def __init__(self, directory):
        self.directory = directory
        self.endpoint, self.credentials = f"http://127.0.0.1:{MOTO_PORT}", ("AKIAIOSFODNN7EXAMPLE", "secret")
        with open(directory / "moto.log", "wb") as log:
            self.process = subprocess.Popen([moto_program(), "-H", "127.0.0.1", "-p", str(MOTO_PORT)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("moto answers", self.answers, 60)
        config = botocore.config.Config(read_timeout=300, retries={"max_attempts": 0}, proxies={})
        self.ec2 = boto3.session.Session().client(
            "ec2", region_name=REGION, endpoint_url=self.endpoint, config=config,
            aws_access_key_id=self.credentials[0], aws_secret_access_key=self.credentials[1])
        self.instance, self.made = None, 0

    @staticmethod
    def answers():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", MOTO_PORT), timeout=1):
            return True
        return False

    def grow(self, count):
        while self.made < count:
            n = min(MOTO_BATCH, count - self.made)
            answer = self.ec2.run_instances(ImageId="ami-12c6146b", InstanceType="t3.nano", MinCount=n, MaxCount=n)
            self.instance = answer["Instances"][0]["InstanceId"]
            self.made += n

    def parameters(self, which):
        return {"one": {"Action": "DescribeInstances", "InstanceId.1": self.instance},
                "all": {"Action": "DescribeInstances"}, "vpcs": {"Action": "DescribeVpcs"}}[which]

    def measure(self, which):
        return load(self.endpoint, *self.credentials, self.parameters(which), self.directory)

    def memory(self):
        return memory.pss_mib(self.serving())

    def serving(self):
        """A shim of pyenv ends in an exec, others may fork."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii").split()
        return int(children[0]) if children else self.process.pid

    def close(self):
        os.kill(self.serving(), signal.SIGKILL)
        self.process.kill()
        self.process.wait()


# --- the measurements

WHAT = {"one": "DescribeInstances, one id", "all": "DescribeInstances, all", "vpcs": "DescribeVpcs"}


def against(ours, theirs, count, notes):
    rows = []
    for which, text in WHAT.items():
        mine, other = ours.measure(which), theirs.measure(which)
        rows.append(Row(f"{text}, {count:,} stored", mine["rate"], other["rate"], "requests/s", "moto", 50,
                        more_is_better=True))
        notes.append(f"{text}, {count:,} stored: median latency {mine['p50_us']:,.0f} us, moto {other['p50_us']:,.0f} us; "
                     f"answer {mine['bytes'] // mine['requests']:,} bytes, moto {other['bytes'] // other['requests']:,}")
    rows.append(Row(f"memory, {count:,} stored", ours.memory(), theirs.memory(), "MiB (PSS)", "moto", 0.1))
    return rows


def alone(ours, count, notes):
    for which, text in WHAT.items():
        mine = ours.measure(which)
        notes.append(f"{text}, {count:,} stored: {mine['rate']:,.0f} requests/s, median {mine['p50_us']:,.0f} us (moto skipped)")


def measure(cloud, instance, directory, counts=(1000, 10000)):
    """instance: the id of a stopped one, whose rows are copied."""
    rows, notes, theirs = [], [], None
    ours = Ours(cloud, instance, directory)
    try:
        if moto_program():
            theirs = Moto(directory)
        else:
            print("SKIPPED: no moto_server on this machine: nothing to hold the Describe calls against", flush=True)
            notes.append("**moto is not installed here: its figures are skipped**")
        for count in counts:
            first = ours.start(count)
            rows.append(Row(f"first answer after start, {count:,} stored", first * 1000, 100, "ms", "the aim of 1,000",
                            1 if count <= 1000 else None, aim_text="<= 100 ms"))
            ours.settle()
            if theirs:
                theirs.grow(count)
                rows += against(ours, theirs, count, notes)
            else:
                alone(ours, count, notes)
            ours.stop()
    finally:
        ours.close()
        if theirs:
            theirs.close()
    return rows, notes
