"""A whole cloud in a temporary directory, and the clients that talk to it."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LAUNCHER = ROOT / "deploy" / "launcher"
IMAGES = ROOT / "build" / "images"
DAEMONS = ("api", "hypervisor", "netd", "storaged")
REGION = "us-east-1"
OTHER_REGION = "eu-west-1"
DEBIAN_AWS = "/usr/bin/aws"
# How long is waited for what must come, before it is said that it does not: far beyond what any machine needs.
BOOT_S = 300       # a guest without KVM on a busy machine
SHORT_S = 120
NEIGHBOUR = {"key_id": "AKIANEIGHBOURACCOUNT", "secret": "of-the-neighbour", "account": "210987654321"}


def run(*command, check=True, timeout=300, **options):
    """A program's end: its CompletedProcess with text output."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(str(w) for w in command)}: status {done.returncode}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done


def wait_until(what, condition, timeout, pause=0.2):
    """Ask until the answer is true, as clients of the API do; the answer. When the time is up it is asked once more: who
    did not get to run for a while has not waited."""
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() > end
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)


IN_VAIN_S = 1.5  # for an answer that is not to come


def can_connect(address, port, timeout=SHORT_S):
    """Does a TCP connection come about? It is asked for again and again; IN_VAIN_S is for those that should not."""
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return True
    except OSError:
        return False


def _syn(source, address, source_port, port):
    """A TCP segment that asks for a connection."""
    def segment(checksum):
        return struct.pack("!HHLLBBHHH", source_port, port, 1, 0, 5 << 4, SYN, 8192, checksum, 0)
    head = socket.inet_aton(source) + socket.inet_aton(address) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(segment(0)))
    total = sum(struct.unpack(f"!{(len(head) + len(segment(0))) // 2}H", head + segment(0)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return segment(~total & 0xFFFF)


SYN, ACK, RST = 2, 16, 4


def first_packet_passes(address, port, timeout=SHORT_S):
    """Is one packet, sent once and now, let through to a server that listens there? However long its answer takes: a
    packet that was dropped is not sent again. The system, which knows of no such connection, resets what comes back."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):  # no route, for one
        # A bound socket, so that nobody else has this port.
        holder = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        route = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        raw = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
        route.connect((address, port))
        source = route.getsockname()[0]
        holder.bind((source, 0))
        own = holder.getsockname()[1]
        raw.connect((address, 0))
        raw.send(_syn(source, address, own, port))
        end = time.monotonic() + timeout
        while select.select([raw], [], [], max(0, end - time.monotonic()))[0]:
            packet = raw.recv(65536)
            theirs, ours, _, _, _, flags = struct.unpack_from("!HHLLBB", packet, (packet[0] & 15) * 4)
            if (theirs, ours) == (port, own):
                return flags & (SYN | ACK | RST) == SYN | ACK
    return False


def files_below(*roots):
    """Paths of the files there; what comes and goes meanwhile is among them or is not."""
    for root in roots:
        for directory, _, names in os.walk(root):
            for path in (pathlib.Path(directory, name) for name in names):
                if path.is_file():
                    yield path


def error_of(call, *arguments, **keywords):
    """The (code, HTTP status, message) that a boto3 call fails with."""
    try:
        answer = call(*arguments, **keywords)
    except botocore.exceptions.ClientError as e:
        return (e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"],
                e.response["Error"]["Message"])
    raise AssertionError(f"no error but {answer}")


UDP_HEADERS = 28  # IP and UDP


def send_datagrams(address, port, count, size):
    """Datagrams from the host; the bytes of their packets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(count):
            s.sendto(b"." * size, (address, port))
    return count * (size + UDP_HEADERS)


class Cloud:
    """Started by start(); everything of it lives in one directory with a short name."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="c", dir=os.environ.get("MINICLOUD_TEST_DIR", "/tmp")))
        self.directory.chmod(0o755)  # the daemons' users pass through it
        self.home, self.run = self.directory / "h", self.directory / "r"
        self.running = False
        self.endpoint = self.key_id = self.secret = None
        self.own = self.directory / "client"
        self.own.mkdir()

    # --- life

    def launcher(self, command, *arguments, check=True):
        return run(LAUNCHER, command, *arguments, "--home", self.home, "--run", self.run,
                   "--bin", ROOT / "build", "--private-libvirtd", check=check, timeout=900)

    def store_findings(self):
        """What storaged --check finds beside the running daemons; what is just being changed may look wrong."""
        done = run("setpriv", "--reuid=minicloud-storaged", "--regid=minicloud", "--init-groups", "env", f"MINICLOUD_HOME={self.home}",
                   f"MINICLOUD_RUN={self.run}", ROOT / "build" / "minicloud-storaged", "--check", check=False)
        return done.stdout

    def start(self):
        self.prepare_home()
        try:
            self.launcher("start")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.logs()}") from None
        self.running = True
        self.read_credentials()

    def prepare_home(self):
        """The tiny image where the API daemon looks for images."""
        IMAGES.mkdir(parents=True, exist_ok=True)
        run(ROOT / "images" / "build-tiny", IMAGES, timeout=1800)
        source = self.home / "images-src"
        source.mkdir(parents=True)
        (self.home / ".minicloud").write_text("minicloud\n", encoding="ascii")
        for suffix in (".qcow2", ".json"):
            shutil.copy(IMAGES / f"minicloud-tiny{suffix}", source)

    def read_credentials(self):
        page = self.socket_call("minicloud", "GET", "/v1/credentials")[1]
        self.endpoint, self.key_id, self.secret = page["endpoint"], page["access_key"], page["secret_key"]

    def exports(self):
        """What `minicloud env` tells a shell to export."""
        text = self.minicloud("env").stdout
        return dict(re.findall(r"^export (\w+)=(\S*)$", text, flags=re.M))

    def stop(self):
        self.launcher("stop")
        self.running = False

    def purge(self):
        self.launcher("stop", "--purge", "--grace", "0")
        self.running = False

    def logs(self):
        """The end of each daemon's and each QEMU's log, without what only asks."""
        parts = []
        places = ("log/*.log", "libvirt/log/libvirtd.log", "libvirt/log/qemu/*.log")
        for path in sorted(path for place in places for path in self.home.glob(place)):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            lines = [line[:300] for line in lines if " action=Describe" not in line and not line.startswith("-")]
            parts.append(f"---- {path.name}\n" + "\n".join(lines[-40:]))
        return "\n".join(parts)

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- the daemons

    def pid(self, daemon):
        return int(self.launcher("pid", daemon).stdout)

    def socket_call(self, daemon, method, path, body=None):
        """Ask a daemon over its unix socket: (HTTP status, document)."""
        connection = http.client.HTTPConnection("d", timeout=SHORT_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(SHORT_S)
        connection.sock.connect(str(self.run / f"{daemon}.sock"))
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")

    def counters(self, eni):
        """What the API daemon has summed up of an interface, with a reading begun after this call: the second one, as
        the first may have been under way."""
        now = None
        for _ in range(3):
            now = self.next_reading(eni, now)
        return now

    def next_reading(self, eni, last=None):
        """What has been read of it after that, or is known."""
        def row():
            rows = self.socket_call("minicloud", "GET", "/v1/counters")[1]["interfaces"]
            found = next((r for r in rows if r["id"] == eni), None)
            return found if found and found["read_ns"] > (last["read_ns"] if last else 0) else None
        return wait_until(f"the bytes of {eni} are read", row, SHORT_S)

    def settled_counters(self, eni):
        """The same when nothing passes any more, as the last words of connections that were closed."""
        last = self.counters(eni)

        def still():
            nonlocal last
            before, last = last, self.next_reading(eni, last)
            return all(last[way] == before[way] for way in ("internet_in", "internet_out"))
        wait_until(f"nothing goes over {eni}", still, BOOT_S)
        return last

    # --- clients

    def environment(self, **more):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "BOTO"))}
        keep.update(MINICLOUD_HOME=str(self.home), MINICLOUD_RUN=str(self.run), HOME=str(self.own),
                    AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
                    AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="", NO_PROXY="*")
        if self.key_id:
            keep.update(AWS_ACCESS_KEY_ID=self.key_id, AWS_SECRET_ACCESS_KEY=self.secret,
                        AWS_DEFAULT_REGION=REGION)
        keep.update(more)
        return keep

    def client(self, service="ec2", region=REGION, key_id=None, secret=None):
        config = botocore.config.Config(retries={"max_attempts": 1}, read_timeout=SHORT_S, proxies={})
        return boto3.session.Session().client(
            service, region_name=region, endpoint_url=self.endpoint, config=config,
            aws_access_key_id=key_id or self.key_id, aws_secret_access_key=secret or self.secret)

    def aws(self, *words, program=DEBIAN_AWS, region=REGION, check=True):
        """Run the real AWS CLI; its JSON answer (the CompletedProcess with check=False)."""
        command, environment = [program], self.environment(AWS_DEFAULT_REGION=region)
        if program == DEBIAN_AWS:  # too old to know AWS_ENDPOINT_URL
            command += ["--endpoint-url", self.endpoint]
        else:
            environment["AWS_ENDPOINT_URL"] = self.endpoint
        done = run(*command, "--output", "json", *words, env=environment, check=check)
        if not check:
            return done
        return json.loads(done.stdout) if done.stdout.strip() else None

    def minicloud(self, *words, check=True):
        """Run our own client on the unix socket."""
        return run(ROOT / "build" / "minicloud", *words, env=self.environment(), check=check)

    def raw(self, parameters, *, region=REGION, service="ec2", secret=None, key_id=None, headers=None,
            body=None, method="POST", path="/"):
        """A request signed as the SDKs sign it, with any content: (status, text)."""
        data = urllib.parse.urlencode(parameters).encode() if body is None else body
        request = botocore.awsrequest.AWSRequest(
            method=method, url=self.endpoint + path, data=data,
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", **(headers or {})})
        credentials = botocore.credentials.Credentials(key_id or self.key_id, secret or self.secret)
        botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
        return self.plain(method, path, data, dict(request.headers.items()))

    def plain(self, method, path, data=None, headers=None):
        """An HTTP request as it is, unsigned: (status, text)."""
        host = urllib.parse.urlsplit(self.endpoint).netloc
        with contextlib.closing(http.client.HTTPConnection(host, timeout=SHORT_S)) as connection:
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    # --- instances

    def tiny_image(self, region=REGION):
        """The id of the tiny image, once it can be launched."""
        def available():
            images = self.client(region=region).describe_images(
                Filters=[{"Name": "name", "Values": ["*tiny*"]}, {"Name": "state", "Values": ["available"]}])
            return images["Images"]
        return wait_until("the tiny image is available", available, SHORT_S)[0]["ImageId"]

    def instance(self, instance_id, region=REGION):
        answer = self.client(region=region).describe_instances(InstanceIds=[instance_id])
        return answer["Reservations"][0]["Instances"][0]

    def wait_state(self, instance_id, state, timeout=BOOT_S, seen=None, region=REGION):
        """Wait for the state; the instance. The states on the way are added to seen."""
        def reached():
            instance = self.instance(instance_id, region)
            name = instance["State"]["Name"]
            if seen is not None and (not seen or seen[-1] != name):
                seen.append(name)
            if name == "terminated" and state != name:
                raise AssertionError(f"{instance_id} terminated: {instance.get('StateReason')}\n{self.logs()}")
            return instance if name == state else None
        return wait_until(f"{instance_id} is {state}", reached, timeout)

    def domains(self):
        """The ids of the instances that the hypervisor knows."""
        return {i["id"] for i in self.socket_call("hypervisor", "GET", "/v1/instances")[1]["instances"]}

    def volumes(self):
        return {v["id"]: v for v in self.socket_call("storaged", "GET", "/v1/volumes")[1]["volumes"]}

    def plugged(self, vpc_id):
        """The ids of the VPC's interfaces in netd."""
        status, vpc = self.socket_call("netd", "GET", f"/v1/vpcs/{vpc_id}")
        return {e["id"] for e in vpc["enis"]} if status == 200 else set()


ASK_S = 20  # for a connection to a guest that is asked again and again
SSH_OPTIONS = [word for option in (
    "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR", "IdentitiesOnly=yes",
    "ServerAliveInterval=15", "ServerAliveCountMax=4") for word in ("-o", option)] + ["-F", "none"]


class Guest:
    """An instance that can be logged into."""

    def __init__(self, cloud, instance_id, key_file):
        self.cloud, self.id, self.key_file = cloud, instance_id, key_file

    @property
    def described(self):
        return self.cloud.instance(self.id)

    @property
    def public_ip(self):
        return self.described["PublicIpAddress"]

    @property
    def private_ip(self):
        return self.described["PrivateIpAddress"]

    def ssh_words(self, address=None, connect_s=SHORT_S):
        """The program that logs in, without what is to be done there. It gives up a guest that is silent for a minute."""
        return ["ssh", "-i", str(self.key_file), *SSH_OPTIONS, "-o", f"ConnectTimeout={connect_s}", f"ec2-user@{address or self.public_ip}"]

    def ssh(self, command, check=True, timeout=BOOT_S, address=None, stdin=None):
        """Run a command in the guest; its output (the CompletedProcess with check=False)."""
        done = run(*self.ssh_words(address), command, check=check, timeout=timeout,
                   **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        return done.stdout if check else done

    def try_ssh(self, command, address=None):
        """The same for what is asked again and again, of a guest that may not be there at all: it gives up soon. The output,
        or None."""
        try:
            done = run(*self.ssh_words(address, ASK_S), command, check=False, timeout=SHORT_S, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    def wait_ssh(self, timeout=BOOT_S):
        """Wait until a login works."""
        address = self.public_ip

        def answers():
            return can_connect(address, 22, timeout=IN_VAIN_S) and self.try_ssh("true", address=address) is not None
        try:
            wait_until(f"SSH to {self.id} at {address}", answers, timeout)
        except AssertionError as e:
            console = self.cloud.client().get_console_output(InstanceId=self.id).get("Output", "")
            raise AssertionError(f"{e}\n{console[-3000:]}\n{self.cloud.logs()}") from None

    def wait_ready(self, timeout=BOOT_S):
        """Wait until all that is done at boot is done, user data included."""
        self.wait_ssh(timeout)
        wait_until(f"{self.id} is ready",
                   lambda: self.try_ssh("test -e /run/minicloud/ready") is not None, timeout)

    def count_pings_in(self):
        """How many echo requests have reached the guest's IP layer."""
        names, values = [line.split() for line in self.ssh("grep ^Icmp: /proc/net/snmp").splitlines()]
        return int(values[names.index("InEchos")])
