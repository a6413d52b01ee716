"""Instances whose guests are namespaces: everything between their taps and the metadata service is real."""

import json
import socket

import netlab
from cloud import run
from lone_api import PATIENCE_S, LoneApi

ADDRESS = "169.254.169.254"


class House(LoneApi):
    """netd beside the API daemon; both in the namespaces of the test."""

    def __init__(self):
        super().__init__()
        self.guests = []
        self.netd_started = False

    def start(self):
        if not self.netd_started:
            self.launcher("start-one", "netd")
            self.netd_started = True
        super().start()

    def close(self):
        for guest in self.guests:
            guest.close()
        super().close()

    # --- as netlab's guests want it

    @staticmethod
    def sh(*words):
        return run(*words).stdout

    def call(self, method, path, body=None):
        connection = netlab.UnixConnection(str(self.run_dir / "netd.sock"))
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    # --- instances

    def network(self, block, subnet):
        """(VPC, subnet), made by the API."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=subnet, AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
        return vpc, made

    def instances(self, *places):
        """An instance, that is off as far as the API knows, for each (VPC, subnet, address), with its interface."""
        ec2, made = self.client("ec2"), []
        for vpc, subnet, address in places:
            eni = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=address)["NetworkInterface"]
            made.append((f"i-{len(self.ids):017x}", vpc, eni))
            self.ids[made[-1][0]] = "instance"
        self.stop()
        for instance, vpc, _ in made:
            self.add_row("instance", instance, "stopped", {"InstanceId": instance, "InstanceType": "t3.nano", "ImageId": "ami-00000000000000001",
                                                           "LaunchTime": "2026-01-01T00:00:00.000Z"}, {"enis": [], "volumes": []}, parent=vpc)
        self.start()
        ec2 = self.client("ec2")
        for instance, _, eni in made:
            ec2.attach_network_interface(InstanceId=instance, NetworkInterfaceId=eni["NetworkInterfaceId"], DeviceIndex=1)
        for vpc in {vpc for _, vpc, _ in made}:
            self.settle(vpc)
        return [Guest(self, instance, vpc, eni) for instance, vpc, eni in made]

    def settle(self, vpc):
        """An answered change of a VPC is in force, and so is all that was before it, as it is before a guest may run."""
        ec2 = self.client("ec2")
        (group,) = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        port = 1000 + len(self.ids)
        ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="192.0.2.1/32")

    def spoofed(self, vpc):
        """How many frames of a VPC's guests were not from who they said."""
        listed = json.loads(self.sh("nsenter", f"--net={self.run_dir}/netns/{vpc}", "nft", "-j", "list", "counter", "bridge", "guard", "spoofed"))
        return next(row["counter"]["packets"] for row in listed["nftables"] if "counter" in row)


class Guest(netlab.Guest):
    """Its link is up, its address its own, and it says nothing yet: there is nobody at the other end."""

    def __init__(self, house, instance, vpc, eni):
        super().__init__(house, {"id": eni["NetworkInterfaceId"], "ip": eni["PrivateIpAddress"], "mac": eni["MacAddress"]}, "10.0.0.0/24")
        self.instance, self.vpc = instance, vpc
        self.sysctl("net.ipv6.conf.all.disable_ipv6", "1")
        self.ip_cmd("addr", "add", f"{self.ip}/{self.length}", "dev", "eth0")
        self.ip_cmd("route", "add", "default", "via", self.gateway)
        with netlab.inside(self.ns):
            self.sent = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sent.bind(("eth0", 3))
            self.sent.setblocking(False)

    def plug(self):
        status, answer = self.world.call("POST", f"/v1/vpcs/{self.vpc}/enis/{self.eni['id']}/plug", {})
        assert status == 200, answer
        assert netlab.wait_for(self.carrier, PATIENCE_S)

    def frames(self):
        """What went out of eth0 and came into it since the last look, in order: [(out?, frame)]."""
        found = []
        try:
            while True:
                frame, (_, _, kind, *_) = self.sent.recvfrom(2000)
                found.append((kind == socket.PACKET_OUTGOING, frame))
        except BlockingIOError:
            return found

    def ask(self, method, path, source=None, patience=PATIENCE_S, **headers):
        """(status, body) of the metadata service; None where nobody answers."""
        s = self.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(patience)
        with s:
            if source:
                s.bind((source, 0))
            try:
                s.connect((ADDRESS, 80))
                lines = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
                s.sendall(f"{method} {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n{lines}\r\n".encode())
                answer = b"".join(iter(lambda: s.recv(4096), b""))
            except OSError:
                return None
        head, _, body = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def who(self):
        """The instance that it is, by its own token."""
        status, token = self.ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=60)
        assert status == 200
        status, name = self.ask("GET", "/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)
        assert status == 200
        return name
