#!/usr/bin/python3
"""Kill anything at any time while instances and volumes live, and see that nothing of it shows.

usage: tests/integration/crash/hunt.py [--seed N] [--rounds N] [--seconds N]

Needs `make crash-build` and root; run inside namespaces (`make crash-hunt`). In each round, some threads launch, stop, start,
reboot and terminate small instances, with every ClientToken used twice; one authorizes and revokes; one makes volumes, attaches
them to a guest that writes, takes snapshots, grows and merges them. Meanwhile the four daemons, libvirtd, dnsmasq and the
small instances' QEMUs are killed at random times. Two further guests hold a TCP connection all the while. A round ends
when all has come to its end: nothing may be lost, doubled or left, and no packet and no guest disturbed. The choices follow from the
seed, which is printed; when they meet, does not. Ends with "N passed, N failed".
"""

import argparse
import json
import pathlib
import random
import secrets
import shutil
import sys
import threading
import time
import traceback

from judge import kill_and_wait
import rooms
from trial import LIFE_S, Nurse, TrialCloud, insist, soon
from cloud import Cloud, wait_until
from test_5_kill import COUNT, ECHO, PORT, numbers, sockets
from volumes import TrialGuest, VolumeCloud, VolumeLife

VICTIMS = ("api", "storaged", "netd", "hypervisor", "libvirtd", "dnsmasq", "QEMU")
PAUSE_S = 1.5  # between two kills, on average
SMALL = 2      # threads with small instances


class HuntCloud(VolumeCloud):
    """With both images; two guests that stay."""

    def __init__(self):
        super().__init__()
        self.other = self.small = None

    def prepare_home(self):
        Cloud.prepare_home(self)
        kept = self.home
        self.home = self.directory / "sector"  # the boot sector's image is made as for a home of its own
        TrialCloud.prepare_home(self)
        for path in (self.home / "images-src").iterdir():
            shutil.copy(path, kept / "images-src" / path.name.replace("sector-tiny", "sector"))
        document = kept / "images-src/sector.json"
        known = json.loads(document.read_text(encoding="ascii"))
        known.update(name="sector", file="sector.qcow2")
        document.write_text(json.dumps(known), encoding="ascii")
        shutil.rmtree(self.home)
        self.home = kept

    def begin_lives(self):
        super().begin_lives()
        ec2 = self.client()
        self.small = soon("the other image", lambda: ec2.describe_images(
            Filters=[{"Name": "name", "Values": ["sector"]}, {"Name": "state", "Values": ["available"]}])["Images"])[0]["ImageId"]
        launched = ec2.run_instances(ImageId=self.image, InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="trial")["Instances"][0]
        self.other = TrialGuest(self, launched["InstanceId"], self.guest.key_file, "ssh2")
        self.wait_state(self.other.id, "running")
        self.other.connect()
        self.connect_guests(ec2)

    def connect_guests(self, ec2):
        """As test_5_kill.py does it."""
        rule = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": [{"GroupId": self.group}]}
        ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])
        self.other.ssh(ECHO)
        wait_until("the echo listens", lambda: f":{PORT:04X} " in self.other.ssh("cat /proc/net/tcp*"), LIFE_S)
        self.guest.ssh(COUNT % (self.other.private_ip, PORT))
        wait_until("numbers come back", lambda: numbers(self.guest), LIFE_S)

    def small_qemus(self):
        """{pid: instance} of those that do not stay."""
        found = {}
        for pid, command in rooms.processes("guest=i-").items():
            instance = command.partition("guest=")[2].partition(",")[0]
            if instance not in (self.guest.id, self.other.id):
                found[pid] = instance
        return found


class Killer(threading.Thread):
    """Chooses who dies when."""

    def __init__(self, cloud, chance):
        super().__init__(daemon=True)
        self.cloud, self.chance = cloud, chance
        self.nurse = Nurse(cloud, lambda daemon: None)
        self.stopping = threading.Event()
        self.dead = []        # who was killed
        self.ended = set()    # instances whose QEMU was
        self.start()

    def run(self):
        while not self.stopping.wait(self.chance.expovariate(1 / PAUSE_S)):
            victim = self.chance.choice(VICTIMS)
            if victim == "QEMU":
                pids = self.choose_qemu()
            else:
                pids = self.cloud.pids(victim)
            for pid in pids:
                kill_and_wait(pid)
            if pids:
                self.dead.append(victim)
            if pids and victim in ("api", "storaged", "netd", "hypervisor"):
                self.nurse.patients.put(victim)

    def choose_qemu(self):
        found = sorted(self.cloud.small_qemus().items())
        if not found:
            return []
        pid, instance = self.chance.choice(found)
        self.ended.add(instance)
        return [pid]

    def end(self):
        self.stopping.set()
        self.join()
        self.nurse.patients.join()
        assert not self.nurse.failure, self.nurse.failure


class Small:
    """One small instance's life."""

    def __init__(self, cloud, chance, killer):
        self.cloud, self.chance, self.killer = cloud, chance, killer
        self.ec2 = cloud.client()
        self.words = {"ImageId": cloud.small, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1,
                      "ClientToken": secrets.token_hex(16)}
        self.id = None

    def described(self):
        return insist(self.ec2.describe_instances, InstanceIds=[self.id])["Reservations"][0]["Instances"][0]

    def reach(self, *states):
        """Stopped it may be whenever its QEMU was killed."""
        def reached():
            now = self.described()
            name = now["State"]["Name"]
            if name == "stopped" and self.id in self.killer.ended:
                return name
            assert name in states or name not in ("terminated", "stopped"), f"{name}, not {states}: {now.get('StateReason')}"
            return name if name in states else None
        return soon(f"{self.id} {states}", reached, 2 * LIFE_S)

    def launched(self):
        return insist(self.ec2.run_instances, **self.words)["Instances"][0]["InstanceId"]

    def live(self):
        self.id = self.launched()
        assert self.launched() == self.id, "one token made two instances"
        self.reach("running")
        for _ in range(self.chance.randrange(4)):
            self.chance.choice((self.reboot, self.stop_and_start, self.force))()
        assert self.launched() == self.id, "one token made two instances"
        if self.chance.random() < 0.3:
            insist(self.ec2.stop_instances, InstanceIds=[self.id])
        insist(self.ec2.terminate_instances, InstanceIds=[self.id])
        soon(f"{self.id} terminated", lambda: self.described()["State"]["Name"] == "terminated", 2 * LIFE_S)

    def unless_off(self, call, **words):
        """A guest that is off cannot be rebooted; one that is stopping cannot be started."""
        try:
            insist(call, InstanceIds=[self.id], **words)
        except self.ec2.exceptions.ClientError as e:
            assert e.response["Error"]["Code"] in ("IncorrectState", "IncorrectInstanceState"), e
            assert self.id in self.killer.ended, f"{e}, and nobody has killed it"

    def reboot(self):
        self.unless_off(self.ec2.reboot_instances)

    def stop_and_start(self, **words):
        self.unless_off(self.ec2.stop_instances, **words)
        soon(f"{self.id} stopped", lambda: self.described()["State"]["Name"] == "stopped", 2 * LIFE_S)
        self.unless_off(self.ec2.start_instances)
        self.reach("running")

    def force(self):
        self.stop_and_start(Force=True)


class Rules:
    """One port opened and closed; what has been answered is so."""

    def __init__(self, cloud, chance, _):
        self.ec2 = cloud.client()
        self.group = cloud.group
        self.port = chance.randrange(20000, 30000)

    def change(self, call, known):
        try:
            insist(call, GroupId=self.group, IpProtocol="tcp", FromPort=self.port, ToPort=self.port, CidrIp="0.0.0.0/0")
        except self.ec2.exceptions.ClientError as e:
            if e.response["Error"]["Code"] != known:
                raise

    def count(self):
        found = insist(self.ec2.describe_security_groups, GroupIds=[self.group])["SecurityGroups"][0]["IpPermissions"]
        return sum(p.get("FromPort") == self.port for p in found)

    def live(self):
        self.change(self.ec2.authorize_security_group_ingress, "InvalidPermission.Duplicate")
        assert self.count() == 1, f"{self.count()} rules of port {self.port}"
        self.change(self.ec2.revoke_security_group_ingress, "InvalidPermission.NotFound")
        assert self.count() == 0, f"the rule of port {self.port} is still there"


class Alone:
    """In the place of an executioner: nobody waits for a step."""

    def begin(self, _):
        return set()

    def settle(self):
        pass


class Volume(VolumeLife):
    """A volume's life, after which others go on."""

    def __init__(self, cloud, chance, _):
        super().__init__(cloud, Alone(), {})
        self.chance = chance

    def live(self):  # pylint: disable=arguments-differ
        super().live(secrets.token_hex(16), self.chance.choice(("plain", "sealed", "plain", "long")))

    def nothing_left(self):
        pass


class Round:
    """All of it for some seconds."""

    def __init__(self, cloud, seed, seconds):
        self.cloud, self.chance, self.end = cloud, random.Random(seed), time.monotonic() + seconds
        self.lives, self.failures = {}, []

    def work(self, kind, chance, killer):
        while time.monotonic() < self.end and not self.failures:
            try:
                kind(self.cloud, chance, killer).live()
                self.lives[kind.__name__] = self.lives.get(kind.__name__, 0) + 1
            except Exception:  # pylint: disable=broad-except  # whatever it was, it is reported
                self.failures.append(f"{kind.__name__}: {traceback.format_exc()}")

    def run(self):
        before = self.undisturbed()
        killer = Killer(self.cloud, random.Random(self.chance.random()))
        kinds = [Small] * SMALL + [Rules, Volume]
        threads = [threading.Thread(target=self.work, args=(kind, random.Random(self.chance.random()), killer)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        killer.end()
        if self.failures:
            raise AssertionError("\n".join(self.failures))
        soon("the hypervisor answers", lambda: self.cloud.tell("hypervisor", "GET", "/v1/host"), LIFE_S)
        self.nothing_left()
        assert self.undisturbed() == before, "a guest or its connection is another"
        return killer.dead

    def undisturbed(self):
        """What must stay as it is; and numbers go on coming back, each once and in order."""
        guests = (self.cloud.guest, self.cloud.other)
        seen = len(numbers(self.cloud.guest))
        wait_until("numbers go on coming back", lambda: len(numbers(self.cloud.guest)) > seen + 5, LIFE_S)
        back = numbers(self.cloud.guest)
        assert back == list(range(len(back))), "a number is missing, or came twice"
        return (sockets(self.cloud.guest), [g.ssh("cat /proc/sys/kernel/random/boot_id") for g in guests],
                [sorted(rooms.processes(f"guest={g.id},")) for g in guests])

    def look(self, left):
        cloud = self.cloud
        keep = {cloud.guest.id, cloud.other.id}
        left["domains"] = {d["id"] for d in cloud.tell("hypervisor", "GET", "/v1/instances").get("instances", ())} ^ keep
        known = cloud.tell("storaged", "GET", "/v1/volumes").get("volumes", ())
        left["volumes"] = [v["id"] for v in known if not set(v["opened_by"]) & keep]
        left["doubled volumes"] = len(known) - 2
        left["snapshots"] = cloud.tell("storaged", "GET", "/v1/snapshots").get("snapshots", "unknown")
        mine = {pathlib.Path(p).name for v in known for p in (v["path"], *v["backing"])} | self.images()
        left["files"] = {p.name for p in (cloud.home / "store").glob("lay-*")} - mine
        plugged = [e for v in cloud.tell("netd", "GET", "/v1/vpcs").get("vpcs", ()) if v["active"] for e in cloud.plugged(v["id"])]
        left["interfaces"] = len(plugged) - 2
        left["QEMUs"] = cloud.small_qemus()
        left["unwritten"] = rooms.unwritten(cloud.home / "storaged/storaged.db")
        left["frozen"] = list((cloud.run / "hypervisor/frozen").iterdir())
        return not any(left.values())

    def images(self):
        return {i["layer"] + ".qcow2" for i in self.cloud.tell("storaged", "GET", "/v1/images").get("images", ())}

    def nothing_left(self):
        left = {}
        try:
            soon("nothing left", lambda: self.look(left), LIFE_S)
        except AssertionError as e:
            raise AssertionError(f"{e}: { {k: v for k, v in left.items() if v} }") from None
        cloud = self.cloud
        shown = {i["InstanceId"] for r in insist(cloud.client().describe_instances)["Reservations"] for i in r["Instances"]
                 if i["State"]["Name"] != "terminated"}
        assert shown == {cloud.guest.id, cloud.other.id}, shown
        cloud.check_store()
        living = shown | {v["VolumeId"] for v in insist(cloud.client().describe_volumes)["Volumes"]} | {
            i["NetworkInterfaceId"] for i in insist(cloud.client().describe_network_interfaces)["NetworkInterfaces"]}
        wrong = rooms.misbilled(cloud.home / "api/minicloud.db", living)
        assert wrong == [], wrong


def hunt(seed, rounds, seconds):
    passed = 0
    cloud = HuntCloud()
    try:
        cloud.start()
        cloud.begin_lives()
        for number in range(seed, seed + rounds):
            one = Round(cloud, number, seconds)
            try:
                dead = one.run()
            except Exception as e:  # pylint: disable=broad-except  # as above
                print(f"seed {number}: FAILED: {type(e).__name__}: {e}\n{cloud.logs()}", flush=True)
                return passed, 1
            passed += 1
            killed = " ".join(f"{v} {dead.count(v)}" for v in VICTIMS)
            lives = " ".join(f"{name} {n}" for name, n in sorted(one.lives.items()))
            print(f"seed {number}: {len(dead)} kills ({killed}), lives: {lives}: good", flush=True)
    finally:
        cloud.purge()
        cloud.forget()
    return passed, 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10 ** 6))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    print(f"from seed {options.seed}, {options.rounds} rounds of {options.seconds} s", flush=True)
    passed, failed = hunt(options.seed, options.rounds, options.seconds)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
