"""A cloud of the daemons that have the crash points in them, and the lives of instances on it."""

import hashlib
import http.client
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "hypervisor")]
import botocore.exceptions  # noqa: E402
from cloud import ROOT, Cloud, run  # noqa: E402
from node import boot_sector  # noqa: E402
from judge import libvirtd_points  # noqa: E402
import rooms  # noqa: E402

BIN = ROOT / "build-crash"
LIFE_S = 300
SOON_S = 180
RETRIED = {"Unavailable", "InternalError", "503", "500"}
CONFIG = """[hypervisor]
accelerator = tcg
hotplug_slots = {slots}
"""


class TrialCloud(Cloud):
    """Its image is a boot sector that obeys the power button: up at once, and off at once."""

    slots = 0

    @staticmethod
    def sector(text):
        """The image."""
        return boot_sector(text, True)

    def __init__(self):
        super().__init__()
        self.points = self.directory / "points"
        self.config = self.directory / "conf"
        self.config.write_text(CONFIG.format(slots=self.slots), encoding="ascii")
        os.environ["MINICLOUD_CRASH"] = str(self.points)
        self.preload = libvirtd_points(self.directory)
        self.image = self.qemu = None

    def begin_lives(self):
        """When all is up."""
        self.image = self.tiny_image()

    def launcher(self, command, *arguments, check=True):
        words = [ROOT / "deploy" / "launcher", command, *arguments, "--home", self.home, "--run", self.run,
                 "--bin", BIN, "--private-libvirtd", "--config", self.config]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "LD_PRELOAD": str(self.preload)})
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def prepare_home(self):
        source, raw = self.home / "images-src", self.directory / "raw"
        source.mkdir(parents=True)
        (self.home / ".minicloud").write_text("minicloud\n", encoding="ascii")
        raw.write_bytes(self.sector("UP\r\n"))
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, source / "sector-tiny.qcow2")
        data = (source / "sector-tiny.qcow2").read_bytes()
        (source / "sector-tiny.json").write_text(json.dumps({
            "name": "sector-tiny", "description": "a boot sector", "architecture": "x86_64",
            "virtualization_type": "hvm", "boot_mode": "legacy-bios", "root_device": "/dev/xvda",
            "file": "sector-tiny.qcow2", "format": "qcow2", "size": len(data), "virtual_size": 1 << 20,
            "sha256": hashlib.sha256(data).hexdigest(), "default_user": "nobody", "min_memory_mib": 32,
            "build": "1"}), encoding="ascii")

    def logs(self):
        """The end of each daemon's, libvirtd's and the QEMU's log, without what only asks."""
        parts = []
        for path in sorted(p for place in ("log/*.log", "libvirt/log/*.log", "libvirt/log/qemu/*.log") for p in self.home.glob(place)):
            lines = [line[:400] for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
                     if " action=Describe" not in line and not line.startswith("-")]
            parts.append(f"---- {path.name}\n" + "\n".join(lines[-60:]))
        return "\n".join(parts)

    def tell(self, daemon, method, path, body=None):
        """The daemon's answer; {} where there is none, or a refusal."""
        try:
            status, answer = self.socket_call(daemon, method, path, body)
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        return answer if status == 200 else {}

    def pids(self, name):
        """The processes of that name, by their pid files, for it is asked at every point."""
        if name == "dnsmasq":
            return self.dnsmasq_pids()
        if name == "QEMU":
            return self.qemu_pids()
        path = self.home / "libvirt/run/libvirtd.pid" if name == "libvirtd" else self.run / f"{name}.pid"
        try:
            pid = int(path.read_text(encoding="ascii").split()[0])
            return [pid] if name.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() else []
        except (OSError, ValueError, IndexError):
            return []

    def qemu_pids(self):
        """The one guest's, looked for only while it is not where it was."""
        try:
            if self.qemu and b"guest=i-" in pathlib.Path(f"/proc/{self.qemu}/cmdline").read_bytes():
                return [self.qemu]
        except OSError:
            pass
        self.qemu = next(iter(rooms.processes("guest=i-")), None)
        return [self.qemu] if self.qemu else []

    def dnsmasq_pids(self):
        found = []
        for path in (self.run / "netd").glob("*/dnsmasq.pid"):
            try:
                pid = int(path.read_text(encoding="ascii"))
                if f"{path.parent}/dnsmasq.conf".encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except (OSError, ValueError):
                pass
        return found

    def times_up(self, instance):
        """How often the guest has told its serial port that it is there."""
        try:
            return (self.home / "hypervisor/console" / f"{instance}.log").read_bytes().count(b"UP")
        except OSError:
            return 0

    def check_store(self):
        """What `minicloud-storaged --check` finds, when the last that was deleted is gone from the records, too."""
        found = []

        def is_sound():
            found[:] = [self.findings()]
            return found == ["0 findings\n"]
        try:
            soon("the store is sound", is_sound)
        except AssertionError as e:
            raise AssertionError(f"{e}: {found}") from None

    def findings(self):
        return run("setpriv", "--reuid=minicloud-storaged", "--regid=minicloud", "--init-groups", BIN / "minicloud-storaged",
                   "--config", self.config, "--check", env={"MINICLOUD_HOME": str(self.home), "MINICLOUD_RUN": str(self.run)}, check=False).stdout


class Nurse(threading.Thread):
    """Starts daemons again."""

    def __init__(self, cloud, started):
        super().__init__(daemon=True)
        self.cloud, self.started, self.patients = cloud, started, queue.Queue()
        self.failure = None
        self.start()

    def run(self):
        while True:
            daemon = self.patients.get()
            for _ in range(10):  # it may be killed while it starts
                done = self.cloud.launcher("start-one", daemon, check=False)
                if done.returncode == 0:
                    self.started(daemon)
                    if self.cloud.launcher("pid", daemon, check=False).returncode == 0:
                        break
            else:
                self.failure = done.stderr or f"{daemon} does not stay"
            self.patients.task_done()


def insist(call, **keywords):
    """What a client does: try again while the service is unavailable."""
    deadline = time.monotonic() + LIFE_S
    while True:
        try:
            return call(**keywords)
        except botocore.exceptions.ClientError as e:
            if e.response["Error"]["Code"] not in RETRIED or time.monotonic() > deadline:
                raise
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, OSError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def soon(what, condition, timeout=SOON_S):
    """Like wait_until, but asks often at first: many lives wait here."""
    end, pause = time.monotonic() + timeout, 0.03
    while True:
        late = time.monotonic() > end
        value = condition()
        if value:
            return value
        assert not late, f"not within {timeout} s: {what}"
        time.sleep(pause)
        pause = min(1.3 * pause, 0.3)


class Life:
    """One instance from its launch to its end; executioner.begin(step) is called before each step."""

    compares = True  # with what an undisturbed one has left in the references

    def __init__(self, cloud, executioner, references):
        self.cloud, self.begin, self.references = cloud, executioner.begin, references
        self.ec2 = cloud.client()
        self.id = self.group = self.vpc = None
        self.names = {}

    # --- what is asked

    def described(self):
        answer = insist(self.ec2.describe_instances, InstanceIds=[self.id])
        return answer["Reservations"][0]["Instances"][0]

    def reach(self, state):
        def reached():
            now = self.described()
            name = now["State"]["Name"]
            assert name == state or name != "terminated", f"terminated: {now.get('StateReason')}"
            return name == state
        soon(f"{self.id} {state}", reached, LIFE_S)

    def qemu(self):
        """The one QEMU of the one instance."""
        found = list(rooms.processes(f"guest={self.id},"))
        assert len(found) == 1, f"{len(found)} QEMUs of {self.id}"
        assert len(rooms.processes("guest=i-")) == 1
        return found[0]

    def change(self, call, known):
        rule = [{"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        try:
            insist(call, GroupId=self.group, IpPermissions=rule)
        except botocore.exceptions.ClientError as e:
            if e.response["Error"]["Code"] != known:  # done before the answer was lost
                raise

    def guest_is_up(self, times=1):
        soon(f"the guest is up (time {times})", lambda: self.cloud.times_up(self.id) >= times)

    # --- what is compared

    def learn_names(self):
        now = self.described()
        nic = now["NetworkInterfaces"][0]
        eni, ip = nic["NetworkInterfaceId"], nic["PrivateIpAddress"]
        public = nic.get("Association", {}).get("PublicIp")
        self.names = {eni: "ENI", eni.replace("-", "_"): "ENI_", "mt" + eni[4:17]: "TAP", nic["MacAddress"]: "MAC",
                      "fe" + nic["MacAddress"][2:]: "TAP-MAC", ip: "IP", "ip-" + ip.replace(".", "-"): "HOST",
                      self.id: "INSTANCE", str(int(nic["MacAddress"].replace(":", ""), 16)): "4711"}
        if public:
            self.names[public] = "PUBLIC"
            self.names["ec2-" + public.replace(".", "-")] = "PUBLIC-HOST"

    def namespace(self):
        return self.cloud.run / "netns" / self.vpc

    def network(self, where):
        """How the kernel's state in the VPC and the host differs from that of an undisturbed life."""
        namespace = self.namespace()
        now = {"vpc": rooms.compare_form(rooms.look(namespace), self.names) if namespace.exists() else None,
               "host": rooms.compare_form(rooms.look(), self.names)}
        reference = self.references.setdefault(where, now)
        return rooms.difference(reference, now)

    def check_network(self, where, at_once):
        """At once, where the API has promised it; else soon."""
        end = time.monotonic() + (0 if at_once else SOON_S)
        while True:
            found = self.network(where)
            if not found:
                return
            assert time.monotonic() < end, f"{where}: the kernel has something else:\n" + "\n".join(found[:60])
            time.sleep(0.05)

    def check_names(self):
        """A dnsmasq serves what it should."""
        directory = self.cloud.run / "netd" / self.vpc
        soon("one dnsmasq", lambda: len(self.cloud.pids("dnsmasq")) == 1 and len(rooms.processes("dnsmasq.conf")) == 1)
        for name in ("dhcp-hosts", "dns-hosts", "dnsmasq.conf"):
            text = (directory / name).read_text(encoding="ascii")
            for real in sorted(self.names, key=len, reverse=True):
                text = text.replace(real, self.names[real])
            assert self.references.setdefault(name, text) == text, f"{name}: {text}"

    # --- the steps

    def live(self, token, end):
        words = {"ImageId": self.cloud.image, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1, "ClientToken": token}
        if end == "sealed":
            self.live_sealed(words)
        else:
            self.launch(words)
            self.change_rules()
            self.reboot()
            self.stop_and_start()
            self.end(end)
            self.make_and_drop_vpc()
        self.begin("")
        again = insist(self.ec2.run_instances, **words)["Instances"]
        assert [i["InstanceId"] for i in again] == [self.id], "one token made two instances"
        self.nothing_left()

    def live_sealed(self, words):
        """With an encrypted root: its key goes from storaged to libvirtd, and is forgotten."""
        words["BlockDeviceMappings"] = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}]
        self.launch(words, "sealed launch")
        self.guest_is_up()
        self.begin("sealed stop")
        insist(self.ec2.stop_instances, InstanceIds=[self.id])
        self.reach("stopped")
        self.begin("sealed start")
        insist(self.ec2.start_instances, InstanceIds=[self.id])
        self.reach("running")
        self.learn_names()
        self.guest_is_up()
        self.begin("sealed end")
        insist(self.ec2.terminate_instances, InstanceIds=[self.id])
        self.reach("terminated")

    def launch(self, words, step="launch"):
        self.begin(step)
        answer = insist(self.ec2.run_instances, **words)["Instances"][0]
        self.id, self.vpc, self.group = (answer["InstanceId"], answer["VpcId"],
                                         answer["SecurityGroups"][0]["GroupId"])
        self.reach("running")
        self.learn_names()
        self.check_network("launched", at_once=True)
        self.check_names()

    def change_rules(self):
        qemu = self.qemu()
        self.begin("authorize")
        self.change(self.ec2.authorize_security_group_ingress, "InvalidPermission.Duplicate")
        self.check_network("authorized", at_once=True)
        self.begin("revoke")
        self.change(self.ec2.revoke_security_group_ingress, "InvalidPermission.NotFound")
        self.check_network("launched", at_once=True)
        assert self.qemu() == qemu, "the guest is another"

    def reboot(self):
        qemu = self.qemu()
        self.guest_is_up()
        self.begin("reboot")
        insist(self.ec2.reboot_instances, InstanceIds=[self.id])
        self.guest_is_up(2)
        assert self.qemu() == qemu, "the guest is another"

    def stop_and_start(self):
        self.begin("stop")
        insist(self.ec2.stop_instances, InstanceIds=[self.id])
        self.reach("stopped")
        assert not rooms.processes("guest=i-")
        public = [real for real, name in self.names.items() if name == "PUBLIC"][0]
        soon("the public address is given back", lambda: public not in rooms.look(self.namespace()))
        self.check_network("stopped", at_once=False)
        self.begin("start")
        insist(self.ec2.start_instances, InstanceIds=[self.id])
        self.reach("running")
        self.learn_names()
        self.qemu()
        self.check_network("launched", at_once=True)

    def end(self, how):
        """In good order, or from the midst of a forced stop."""
        if how == "terminate":
            self.guest_is_up()
        self.begin(how)
        if how == "force":
            insist(self.ec2.stop_instances, InstanceIds=[self.id], Force=True)
        insist(self.ec2.terminate_instances, InstanceIds=[self.id])
        self.reach("terminated")

    def make_and_drop_vpc(self):
        """One that the API has forgotten is in netd no more, whoever died between the two."""
        self.begin("make VPC")
        insist(self.ec2.create_vpc, CidrBlock="10.77.0.0/16")
        mine = [{"Name": "cidr", "Values": ["10.77.0.0/16"]}]
        made = {v["VpcId"] for v in insist(self.ec2.describe_vpcs, Filters=mine)["Vpcs"]}
        soon("netd knows it", lambda: made <= self.networks())
        self.begin("drop VPC")
        for vpc in made:  # two, where an answer was lost: CreateVpc has no token
            try:
                insist(self.ec2.delete_vpc, VpcId=vpc)
            except botocore.exceptions.ClientError as e:
                if e.response["Error"]["Code"] != "InvalidVpcID.NotFound":
                    raise
        soon("netd has forgotten it", lambda: not made & self.networks())

    def networks(self):
        """The VPCs that netd has, with a network or without."""
        def ask():
            try:
                return self.cloud.socket_call("netd", "GET", "/v1/vpcs")[1].get("vpcs")
            except OSError:
                return None  # it is just starting
        return {v["id"] for v in soon("netd answers with the default VPC at least", ask)}

    def nothing_left(self):
        """Every room has given back what it had."""
        cloud, left = self.cloud, {}

        def look():
            left.clear()
            try:
                left["domains"] = cloud.socket_call("hypervisor", "GET", "/v1/instances")[1]["instances"]
                left["volumes"] = cloud.socket_call("storaged", "GET", "/v1/volumes")[1]["volumes"]
                left["networks"] = [v for v in cloud.socket_call("netd", "GET", "/v1/vpcs")[1]["vpcs"] if v["active"]]
            except (OSError, KeyError) as e:
                left["daemon"] = e  # one that is just starting
            left["unwritten"] = rooms.unwritten(cloud.home / "storaged/storaged.db")
            left["processes"] = [*rooms.processes("guest=i-"), *rooms.processes("dnsmasq.conf")]
            return not any(left.values())

        try:
            soon("nothing left", look)
        except AssertionError as e:
            raise AssertionError(f"{e}: {left}") from None
        assert insist(self.ec2.describe_volumes)["Volumes"] == []
        assert insist(self.ec2.describe_network_interfaces)["NetworkInterfaces"] == []
        assert rooms.misbilled(cloud.home / "api/minicloud.db") == []
        self.check_network("ended", at_once=False)
        there = rooms.files(cloud.home, cloud.run) + rooms.layers(cloud.home / "storaged/storaged.db")
        before = self.references.setdefault("files", there)
        assert there == before, f"files and layers: {sorted(set(there) ^ set(before))}"
