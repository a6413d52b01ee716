"""Every way a packet can take in a VPC, with real packets between real guests, against an independent model.

The table and the model are in reach.py; tests/integration/probe.c is both ends of each packet.
"""

import concurrent.futures
import contextlib
import datetime
import decimal
import os
import signal
import subprocess

import pytest

import reach
from cloud import ASK_S, BOOT_S, ROOT, SHORT_S, SSH_OPTIONS, run, wait_until

UNANSWERED_MS = 1200   # a lost first SYN is sent again after one second
PATIENT_MS = 120000
UPLINK = "up0"
PROTOCOL_NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "all": "-1"}


def permission(rule, world):
    """A rule of the table as the API wants it."""
    words = {"IpProtocol": rule.protocol if rule.protocol != "all" else "-1"}
    if rule.protocol in ("tcp", "udp"):
        words.update(FromPort=rule.port, ToPort=rule.port)
    elif rule.protocol == "icmp":
        words.update(FromPort=-1, ToPort=-1)
    if rule.peer.startswith("sg:"):
        words["UserIdGroupPairs"] = [{"GroupId": world.groups[rule.peer[3:]]}]
    elif rule.peer == "pl":
        words["PrefixListIds"] = [{"PrefixListId": world.prefix_list}]
    else:
        words["IpRanges"] = [{"CidrIp": rule.peer}]
    return words


class World:
    """The two VPCs of the table with their machines; set() makes them as a scene wants them."""

    def __init__(self, cloud, key_file, directory):
        self.cloud, self.ec2, self.key_file = cloud, cloud.client(), key_file
        self.probe = directory / "probe"
        run("gcc", "-std=gnu11", "-O1", "-static", "-o", self.probe, ROOT / "tests" / "integration" / "probe.c")
        self.vpcs, self.subnets, self.tables, self.acls, self.groups = {}, {}, {}, {}, {}
        self.instances, self.private, self.public, self.paths = {}, {}, {}, {}
        self.now = reach.Scene("as made", ingress=reach.same(()), routes={s: {} for s in reach.CIDRS},
                               acls={s: () for s in reach.CIDRS})
        self.outside, self.configuration = None, cloud.own / "matrix.conf"

    # --- making and unmaking

    def make(self):
        self.make_internet()
        self.make_places()
        self.make_groups()
        self.launch()
        self.make_gateways()
        self.make_paths()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(self.serve, self.instances))

    def make_internet(self):
        """Behind the uplink: a namespace with one machine in it. netd learns of the uplink at its start."""
        self.outside = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"],
                                        stdout=subprocess.PIPE, text=True)
        assert self.outside.stdout.readline() == "made\n"
        run("ip", "link", "add", UPLINK, "type", "veth", "peer", "name", "host0", "netns", self.outside.pid)
        run("ip", "addr", "add", "198.51.100.1/24", "dev", UPLINK)
        run("ip", "link", "set", UPLINK, "up")
        for words in (f"addr add {reach.INTERNET}/24 dev host0", "link set lo up", "link set host0 up",
                      "route add 203.0.113.0/24 via 198.51.100.1"):
            run(*self.out_there("ip", *words.split()))
        run(*self.out_there(self.probe, "serve", reach.PORT))
        self.configuration.write_text(f"[netd]\nuplink = {UPLINK}\n", encoding="ascii")
        self.configuration.chmod(0o644)
        self.restart_netd("--config", self.configuration)

    def out_there(self, *words):
        return ["nsenter", f"--net=/proc/{self.outside.pid}/ns/net", *words]

    def restart_netd(self, *words):
        self.cloud.launcher("stop-one", "netd")
        self.cloud.launcher("start-one", "netd", *words)

    def unmake_internet(self):
        """What is in the namespace ends with it; the probe is the only other process there."""
        run("ip", "link", "del", UPLINK)
        space = os.readlink(f"/proc/{self.outside.pid}/ns/net")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/ns/net") == space:
                    os.kill(int(pid), signal.SIGKILL)
        self.outside.wait()
        self.restart_netd()

    def make_places(self):
        ec2 = self.ec2
        for name, cidr in reach.VPCS.items():
            self.vpcs[name] = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        for name, cidr in reach.CIDRS.items():
            vpc = self.vpcs[reach.VPC_OF[name]]
            self.subnets[name] = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]
            self.tables[name] = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
            ec2.associate_route_table(RouteTableId=self.tables[name], SubnetId=self.subnets[name])
            self.acls[name] = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
            self.associate_acl(self.subnets[name], self.acls[name])
        self.igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.igw, VpcId=self.vpcs["a"])
        self.pcx = ec2.create_vpc_peering_connection(VpcId=self.vpcs["a"], PeerVpcId=self.vpcs["b"])[
            "VpcPeeringConnection"]["VpcPeeringConnectionId"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=self.pcx)

    def associate_acl(self, subnet, acl):
        found = self.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])
        here = next(a for a in found["NetworkAcls"][0]["Associations"] if a["SubnetId"] == subnet)
        self.ec2.replace_network_acl_association(AssociationId=here["NetworkAclAssociationId"], NetworkAclId=acl)

    def make_groups(self):
        ec2 = self.ec2
        for name in sorted(set(reach.GROUP_OF.values())):
            vpc = self.vpcs["b" if name == "q" else "a"]
            self.groups[name] = ec2.create_security_group(GroupName=f"matrix-{name}", Description="of the matrix",
                                                          VpcId=vpc)["GroupId"]
        self.prefix_list = ec2.create_managed_prefix_list(
            PrefixListName="matrix", AddressFamily="IPv4", MaxEntries=5,
            Entries=[{"Cidr": c} for c in reach.PREFIX_LIST])["PrefixList"]["PrefixListId"]

    def launch(self):
        for name, group in reach.GROUP_OF.items():
            interface = {"DeviceIndex": 0, "SubnetId": self.subnets[reach.SUBNET_OF[name]],
                         "Groups": [self.groups[group]], "AssociatePublicIpAddress": name in reach.PUBLIC}
            answer = self.ec2.run_instances(ImageId=self.cloud.tiny_image(), InstanceType="t3.nano", MinCount=1,
                                            MaxCount=1, KeyName="tests", NetworkInterfaces=[interface])
            self.instances[name] = answer["Instances"][0]["InstanceId"]
        for name, instance in self.instances.items():
            shown = self.cloud.wait_state(instance, "running")
            self.private[name], self.public[name] = shown["PrivateIpAddress"], shown.get("PublicIpAddress")

    def make_gateways(self):
        self.address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        self.nat = self.ec2.create_nat_gateway(SubnetId=self.subnets["pub"], AllocationId=self.address)[
            "NatGateway"]["NatGatewayId"]
        wait_until("the NAT gateway is available", lambda: self.nat_state() == "available", SHORT_S)

    def nat_state(self):
        return self.ec2.describe_nat_gateways(NatGatewayIds=[self.nat])["NatGateways"][0]["State"]

    def serve(self, name):
        """The probe in the guest, brought there through the VPC's own namespace: no group need let us in."""
        wait_until(f"{name} can be logged into", lambda: self.try_ssh(name, "true"), BOOT_S)
        self.ssh(name, "cat > /tmp/probe && chmod +x /tmp/probe", stdin=self.probe.read_bytes())
        self.ssh(name, f"sudo /tmp/probe serve {reach.PORT}")

    def ssh_words(self, name, command, connect_s):
        space = self.cloud.run / "netns" / self.vpcs[reach.VPC_OF[reach.SUBNET_OF[name]]]
        return ["nsenter", f"--net={space}", "ssh", *SSH_OPTIONS, "-o", f"ConnectTimeout={connect_s}", "-i", str(self.key_file),
                f"ec2-user@{self.private[name]}", command]

    def ssh(self, name, command, stdin=b""):
        done = subprocess.run(self.ssh_words(name, command, SHORT_S), input=stdin, capture_output=True, check=False, timeout=BOOT_S)
        assert done.returncode == 0, done.stderr.decode()
        return done

    def try_ssh(self, name, command):
        """Of one that may not be there yet."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(self.ssh_words(name, command, ASK_S), stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  timeout=SHORT_S).returncode == 0
        return False

    def unmake(self):
        self.unmake_internet()
        for path in self.paths.values():
            self.ec2.delete_network_insights_path(NetworkInsightsPathId=path)
        self.set(reach.Scene("the end", routes={s: {} for s in reach.CIDRS}, ingress=reach.same(())))
        self.ec2.terminate_instances(InstanceIds=list(self.instances.values()))
        self.ec2.delete_nat_gateway(NatGatewayId=self.nat)
        wait_until("the NAT gateway is deleted", lambda: self.nat_state() == "deleted", SHORT_S)
        self.ec2.release_address(AllocationId=self.address)
        for instance in self.instances.values():
            self.cloud.wait_state(instance, "terminated")
        self.unmake_places()

    def unmake_places(self):
        ec2 = self.ec2
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=self.pcx)
        ec2.detach_internet_gateway(InternetGatewayId=self.igw, VpcId=self.vpcs["a"])
        ec2.delete_internet_gateway(InternetGatewayId=self.igw)
        for name, subnet in self.subnets.items():
            ec2.delete_subnet(SubnetId=subnet)
            ec2.delete_route_table(RouteTableId=self.tables[name])
            ec2.delete_network_acl(NetworkAclId=self.acls[name])
        for group in self.groups.values():
            ec2.delete_security_group(GroupId=group)
        ec2.delete_managed_prefix_list(PrefixListId=self.prefix_list)
        for vpc in self.vpcs.values():
            ec2.delete_vpc(VpcId=vpc)

    # --- a scene

    def set(self, scene):
        """Only what differs from the scene before is changed."""
        for group in self.groups:
            self.set_rules(group, self.now.ingress, scene.ingress, self.ec2.authorize_security_group_ingress,
                           self.ec2.revoke_security_group_ingress)
            self.set_rules(group, self.now.egress, scene.egress, self.ec2.authorize_security_group_egress,
                           self.ec2.revoke_security_group_egress)
        for subnet in self.subnets:
            self.set_acl(subnet, scene)
            self.set_routes(subnet, scene)
        self.now = scene

    def set_rules(self, group, before, after, authorize, revoke):
        old, new = set(before.get(group, reach.EVERYTHING)), set(after.get(group, reach.EVERYTHING))
        for call, rules in ((revoke, old - new), (authorize, new - old)):
            if rules:
                call(GroupId=self.groups[group], IpPermissions=[permission(r, self) for r in rules])

    def set_acl(self, subnet, scene):
        old = set(self.now.acls.get(subnet, reach.ALLOW_ALL))
        new = set(scene.acls.get(subnet, reach.ALLOW_ALL))
        acl = self.acls[subnet]
        for entry in old - new:
            self.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=entry.number, Egress=entry.egress)
        for entry in new - old:
            words = {"PortRange": dict(zip(("From", "To"), entry.ports))} if entry.protocol in ("tcp", "udp") else {}
            if entry.protocol == "icmp":
                words["IcmpTypeCode"] = {"Type": -1, "Code": -1}
            self.ec2.create_network_acl_entry(
                NetworkAclId=acl, RuleNumber=entry.number, Egress=entry.egress, CidrBlock=entry.cidr,
                Protocol=PROTOCOL_NUMBERS[entry.protocol], RuleAction="allow" if entry.allow else "deny", **words)

    def set_routes(self, subnet, scene):
        old, new, table = self.now.route_table(subnet), scene.route_table(subnet), self.tables[subnet]
        for cidr in old.keys() - new.keys():
            self.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=cidr)
        for cidr, target in new.items():
            if old.get(cidr) == target:
                continue
            words = {"igw": {"GatewayId": self.igw}, "pcx": {"VpcPeeringConnectionId": self.pcx},
                     "nat": {"NatGatewayId": self.nat}}[target]
            call = self.ec2.replace_route if cidr in old else self.ec2.create_route
            call(RouteTableId=table, DestinationCidrBlock=cidr, **words)

    # --- what the Reachability Analyzer says

    def make_paths(self):
        """One for each case that the Analyzer has a word for: it knows TCP and UDP."""
        for path in reach.PATHS:
            for protocol in ("tcp", "udp"):
                words = {"Source": self.igw, "SourceIp": reach.INTERNET} if path[0] == "net" else {
                    "Source": self.instances[path[0]]}
                if path[1] == "net":
                    words.update(Destination=self.igw, DestinationIp=reach.INTERNET)
                elif path[1].endswith("!"):
                    words.update(Destination=self.instances[path[1][:-1]], DestinationIp=self.public[path[1][:-1]])
                else:
                    words["Destination"] = self.instances[path[1]]
                made = self.ec2.create_network_insights_path(Protocol=protocol, DestinationPort=reach.PORT, **words)
                self.paths[path, protocol] = made["NetworkInsightsPath"]["NetworkInsightsPathId"]

    def verdicts(self):
        """{(path, protocol): found?}"""
        found = {}
        for case, path in self.paths.items():
            started = self.ec2.start_network_insights_analysis(NetworkInsightsPathId=path)
            analysis = started["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]
            shown = wait_until("the analysis has an end", lambda a=analysis: next((
                d for d in self.ec2.describe_network_insights_analyses(
                    NetworkInsightsAnalysisIds=[a])["NetworkInsightsAnalyses"] if d["Status"] != "running"), None), SHORT_S)
            assert shown["Status"] == "succeeded", shown
            assert shown["NetworkPathFound"] or shown["Explanations"], "it does not say why"
            found[case] = shown["NetworkPathFound"]
            self.ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=analysis)
        return found

    def why(self, path, protocol):
        """What `minicloud why` would say."""
        ends = [self.public[e[:-1]] if e.endswith("!") else reach.INTERNET if e == "net" else self.instances[e] for e in path]
        port = "" if protocol == "icmp" else f"&port={reach.PORT}"
        status, said = self.cloud.socket_call("minicloud", "GET", f"/v1/why?source={ends[0]}&destination={ends[1]}&protocol={protocol}{port}")
        assert status == 200 and (said["reachable"] or said["problems"]), said
        return said["reachable"]

    # --- packets

    def lines(self, scene, source):
        lines = []
        for number, (path, protocol) in enumerate(reach.cases(scene)):
            if path[0] != source:
                continue
            destination = path[1].rstrip("!")
            by_public = source == "net" or path[1].endswith("!")
            address = reach.INTERNET if destination == "net" else (
                self.public if by_public else self.private)[destination]
            lines.append(f"{number} {protocol} {address} {reach.PORT} {reach.INTERNET if source == 'net' else '-'} "
                         f"{int(reach.expected(scene, path, protocol))}")
        return lines

    def ask(self, scene, source):
        """{number of the case: was it answered?} of all cases that start at source."""
        text = "".join(line + "\n" for line in self.lines(scene, source)).encode()
        words = ["ask", str(UNANSWERED_MS), str(PATIENT_MS)]
        if source == "net":
            output = subprocess.run(self.out_there(self.probe, *words), input=text, capture_output=True, check=True).stdout
        else:
            output = self.ssh(source, f"sudo /tmp/probe {' '.join(words)}", stdin=text).stdout
        return {int(n): answer == "yes" for n, answer in (line.split() for line in output.decode().splitlines())}

    def answers(self, scene):
        found = {}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for part in pool.map(lambda s: self.ask(scene, s), [*self.instances, "net"]):
                found.update(part)
        return found


@pytest.fixture(scope="module")
def world(cloud, key_file, tmp_path_factory):
    it = World(cloud, key_file, tmp_path_factory.mktemp("matrix"))
    it.make()
    yield it
    it.unmake()


@pytest.mark.parametrize("scene", reach.SCENES, ids=lambda s: s.name.replace(" ", "-"))
def test_scene(world, scene):
    """What the API has answered is in force: every packet goes where the model says, and nowhere else.
    The Reachability Analyzer and `minicloud why` say the same without a packet."""
    world.set(scene)
    found, verdicts = world.answers(scene), world.verdicts()
    wrong = []
    for number, (path, protocol) in enumerate(reach.cases(scene)):
        wanted = reach.expected(scene, path, protocol)
        if found[number] != wanted:
            wrong.append(f"{path[0]} -> {path[1]} {protocol}: {'passed' if found[number] else 'did not pass'}")
        if verdicts.get((path, protocol), wanted) != wanted:
            wrong.append(f"{path[0]} -> {path[1]} {protocol}: the analysis says {verdicts[path, protocol]}")
        if world.why(path, protocol) != wanted:
            wrong.append(f"{path[0]} -> {path[1]} {protocol}: minicloud why says {not wanted}")
    assert not wrong, f"{len(wrong)} of {len(found)} cases:\n" + "\n".join(wrong)


def on_the_bill(cloud, usage, resource):
    """Bytes of this usage type, as Cost Explorer has them: in GB with nine decimals."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    answer = cloud.client("ce").get_cost_and_usage_with_resources(
        TimePeriod={"Start": str(today - datetime.timedelta(days=1)), "End": str(today + datetime.timedelta(days=1))}, Granularity="DAILY",
        Metrics=["UsageQuantity"], GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}],
        Filter={"Dimensions": {"Key": "USAGE_TYPE", "Values": [usage]}})
    return sum(round(decimal.Decimal(g["Metrics"]["UsageQuantity"]["Amount"]) * 2**30) for day in answer["ResultsByTime"]
               for g in day["Groups"] if g["Keys"] == [resource])


def test_bytes_are_on_the_bill(world):
    """From real packets through netd's counters to Cost Explorer: what the NAT gateway translated either way, and what left an
    instance for the internet. A byte is less than the last decimal of a day."""
    shown = world.cloud.instance(world.instances["p1"])
    eni = shown["NetworkInterfaces"][0]["NetworkInterfaceId"]

    def same(usage, resource, counted, ways):
        def equal():
            carried = world.cloud.counters(counted)
            total = sum(carried[way] for way in ways)
            return total > 0 and abs(on_the_bill(world.cloud, usage, resource) - total) <= 2
        wait_until(f"{usage} of {resource} is what was carried", equal, BOOT_S)
    same("NatGateway-Bytes", world.nat, world.nat, ("internet_in", "internet_out"))
    same("DataTransfer-Out-Bytes", shown["InstanceId"], eni, ("internet_out",))
