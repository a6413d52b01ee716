"""From run-instances to SSH, against QEMU alone."""

import statistics
import time

import bare
from row import Row

TYPE = "t3.nano"
RUNNING_S = 120


class CloudGuest:
    """An instance of a launch that began then; described is what DescribeInstances says of it."""

    def __init__(self, bench, described, began):
        self.bench, self.id, self.began = bench, described["InstanceId"], began
        self.address = described["PublicIpAddress"]

    def check(self):
        state = self.bench.describe([self.id])[0]["State"]["Name"]
        if state not in ("pending", "running"):
            raise AssertionError(f"{self.id} is {state}\n{self.bench.cloud.logs()}")


class Bench:
    def __init__(self, cloud, directory):
        self.cloud, self.directory = cloud, directory
        self.ec2 = cloud.client()
        self.image = cloud.tiny_image()
        self.ec2.create_key_pair(KeyName="bench", KeyType="ed25519")
        group = self.ec2.create_security_group(GroupName="bench", Description="SSH")["GroupId"]
        self.ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22,
                                                  CidrIp="0.0.0.0/0")
        self.group = group
        self.network = bare.Network(directory, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBench bench")
        self.arguments = None

    # --- ours

    def describe(self, ids):
        """By the client that is there: to make one costs as much time of a processor as a tenth of a boot."""
        answer = self.ec2.describe_instances(InstanceIds=ids)
        return [i for r in answer["Reservations"] for i in r["Instances"]]

    def launch(self, count):
        """The instances of one call; each began with it."""
        began = time.monotonic()
        answer = self.ec2.run_instances(ImageId=self.image, InstanceType=TYPE, MinCount=count, MaxCount=count,
                                        KeyName="bench", SecurityGroupIds=[self.group])
        ids = [i["InstanceId"] for i in answer["Instances"]]
        return [CloudGuest(self, described, began) for described in self.describe(ids)]

    def ours(self, count):
        guests = self.launch(count)
        return guests, bare.wait_all(guests)

    def terminate(self, guests):
        self.ec2.terminate_instances(InstanceIds=[g.id for g in guests])
        for guest in guests:
            self.cloud.wait_state(guest.id, "terminated")

    # --- theirs

    def learn(self, guest):
        """How libvirt started the guest, and from what image."""
        pid = self.cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")[1]["pid"]
        volume = self.cloud.instance(guest.id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        self.arguments = bare.Arguments(bare.arguments_of(pid), self.cloud.volumes()[volume]["path"])

    def theirs(self, count):
        guests = [bare.Guest(self.network, n, self.arguments, self.directory) for n in range(count)]
        try:
            for guest in guests:
                guest.start()
            return bare.wait_all(guests)
        finally:
            for guest in guests:
                guest.end()

    # --- both

    def one(self, repeats):
        """Turn by turn, so that what else the machine does falls on both."""
        ours, theirs = [], []
        first, _ = self.ours(1)  # warm: libvirt has asked QEMU what it can, the image is cached
        self.learn(first[0])
        self.terminate(first)
        for _ in range(repeats):
            theirs += self.theirs(1)
            guests, took = self.ours(1)
            ours += took
            self.terminate(guests)
        return Row(f"run-instances to SSH, one {TYPE} (median of {repeats})", statistics.median(ours),
                   statistics.median(theirs), "s", "bare QEMU, same arguments", 1.15)

    def many(self, count):
        """The guests are left running."""
        theirs = self.theirs(count)
        guests, ours = self.ours(count)
        return guests, Row(f"the same, {count} at once (the last)", max(ours), max(theirs), "s",
                           "bare QEMU, same arguments", 1.3)

    def close(self):
        self.network.close()
