"""How long a change takes until it is in force: single rules among many, and a guest's port. In turn with the whole document of the
VPC, and with nft, an nft rule for each rule of a security group."""

import contextlib
import json
import pathlib
import re
import secrets
import sqlite3
import statistics
import time

import netlab
from cloud import Cloud, wait_until
from network import others, rule_by_rule
from row import Row

COUNTS = (1, 100, 1000, 10000)
TIMES = 40
WHOLE_TIMES = 7
PLUGS = 20
CONNECTIONS = 200
AIM_MS = 1.0
API_RULES = (10, 10000)


def timed(work):
    began = time.perf_counter()
    answer = work()
    return (time.perf_counter() - began) * 1000, answer


class Caller:
    """One connection that stays open, as the API daemon has it."""

    def __init__(self, path):
        self.connection = netlab.UnixConnection(path)

    def call(self, method, path, body):
        """Milliseconds; the body is put into words before."""
        words = json.dumps(body)

        def ask():
            self.connection.request(method, path, words)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        took, (status, text) = timed(ask)
        if status != 200:
            raise AssertionError((path, status, text))
        return took


class Lab:
    """A VPC with so many rules in one group, told to netd, and none of the reports of others in between."""

    def __init__(self, world, count):
        self.vpc = netlab.Vpc(world)
        self.group = self.vpc.group(others(count + 1))
        self.guests = [self.vpc.eni(10 + n, self.group) for n in range(2)]
        self.vpc.doc["generation"] = 1
        self.caller = Caller(f"{world.run}/netd.sock")
        self.whole()

    def whole(self):
        return self.caller.call("PUT", f"/v1/vpcs/{self.vpc.id}", self.vpc.doc)

    def change(self, *changes):
        base = self.vpc.doc["generation"]
        self.vpc.doc["generation"] += 1
        body = {"base": base, "generation": base + 1, "changes": [
            {"operation": operation, "group": self.group["id"], "direction": "ingress", "rule": rule} for operation, rule in changes]}
        took = self.caller.call("POST", f"/v1/vpcs/{self.vpc.id}/rules", body)
        for operation, rule in changes:
            rules = self.group["ingress"]
            rules.append(rule) if operation == "add" else rules.remove(rule)
        return took

    def away_and_back(self):
        """Milliseconds for a rule of the middle to go, and to come."""
        rule = self.group["ingress"][len(self.group["ingress"]) // 2]
        return self.change(("remove", rule)), self.change(("add", rule))

    def whole_without_one(self):
        rules = self.group["ingress"]
        rule = rules.pop(len(rules) // 2)
        self.vpc.doc["generation"] += 1
        took = self.whole()
        rules.append(rule)
        self.vpc.doc["generation"] += 1
        self.whole()
        return took


def change_rows(world):
    rows = []
    for count in COUNTS:
        lab = Lab(world, count)
        lab.away_and_back()
        went, came, whole = [], [], []
        for n in range(TIMES):
            gone, back = lab.away_and_back()
            went.append(gone), came.append(back)
            if n < WHOLE_TIMES:
                whole.append(lab.whole_without_one())
        gone, back, all_of_it = map(statistics.median, (went, came, whole))
        rows += [Row(f"netd: one rule of {count:,} goes", gone, AIM_MS, "ms", "the aim", 1, aim_text="<= 1 ms"),
                 Row(f"netd: one rule comes to {count:,}", back, AIM_MS, "ms", "the aim", 1, aim_text="<= 1 ms"),
                 Row(f"netd: one rule of {count:,} goes", gone, all_of_it, "ms", "the whole document", None)]
        lab.vpc.delete()
    return rows + [Row(f"netd: one rule of {COUNTS[-1]:,} goes", gone, nft_row(world), "ms", "nft, a rule for each, by handle", None)]


def wide_row(world):
    """A rule for everybody goes while others' connections are open: which of them end must be looked for."""
    lab = Lab(world, 9998)
    wide = netlab.tcp(5001)
    lab.change(("add", wide), ("add", netlab.tcp(5002)))
    server, client = (lab.vpc.guest(eni) for eni in lab.guests)
    listener = server.listen(5002)
    listener.listen(CONNECTIONS)
    kept = [client.connect(server.ip, 5002, 10) for _ in range(CONNECTIONS)]
    if None in kept:
        raise AssertionError("no connection")
    took = []
    for _ in range(TIMES):
        took.append(lab.change(("remove", wide)))
        lab.change(("add", wide))
    for guest in (server, client):
        guest.close()
    lab.vpc.delete()
    return Row(f"netd: a rule for everybody, of 10,000, goes with {CONNECTIONS} connections open", statistics.median(took), AIM_MS, "ms",
               "the aim of a rule", None)


def nft_row(world):
    """nft, a rule for each rule of a group, deletes one of 10,000 by its handle."""
    path = pathlib.Path(world.dir) / "bench.nft"
    path.write_text(rule_by_rule(COUNTS[-1], hook=False), encoding="ascii")
    world.sh("nft", "-f", str(path))
    handles = re.findall(r"handle ([0-9]+)$", world.sh("nft", "-a", "list", "chain", "ip", "filter", "forward"), re.M)
    took = [timed(lambda h=handle: world.sh("nft", "delete", "rule", "ip", "filter", "forward", "handle", h))[0]
            for handle in handles[len(handles) // 2:][:TIMES]]
    started = [timed(lambda: world.sh("nft", "--version"))[0] for _ in range(TIMES)]
    world.sh("nft", "delete", "table", "ip", "filter")
    return statistics.median(took) - statistics.median(started)


def plug_rows(world):
    """A port of a bridge that passes packets: netd's, with its guard, and by hand."""
    vpc = netlab.Vpc(world)
    group = vpc.group([netlab.tcp(22)])
    enis = [vpc.eni(10 + n, group) for n in range(PLUGS)]
    vpc.put()
    caller = Caller(f"{world.run}/netd.sock")
    world.sh("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
    world.sh("ip", "link", "set", "br0", "up")
    ours, theirs, guests = [], [], []
    for n, eni in enumerate(enis):
        guests.append(netlab.Guest(world, eni))
        ours.append(caller.call("POST", f"/v1/vpcs/{vpc.id}/enis/{eni['id']}/plug", {}))
        other = f"bench{n}"
        world.sh("ip", "link", "add", other, "type", "veth", "peer", "name", f"{other}p")
        world.sh("ip", "link", "set", f"{other}p", "up")
        theirs.append(by_hand(world, other))
    for guest in guests:
        guest.close()
    world.sh("ip", "link", "delete", "br0")
    vpc.delete()
    return [Row("netd: a guest's port is plugged", statistics.median(ours), statistics.median(theirs), "ms",
                "ip: into a bridge, up, and passing", None)]


def by_hand(world, name):
    """Until the bridge forwards from it."""
    words = (f"ip link set {name} master br0 && ip link set {name} up && "
             f"until bridge link show dev {name} | grep -q 'state forwarding'; do :; done")
    began = time.perf_counter()
    world.sh("sh", "-c", words)
    return (time.perf_counter() - began) * 1000


# --- the whole way: a signed call of the API


class Api:
    """A VPC with an interface endpoint, so that it has a network, and a group with so many rules."""

    def __init__(self, cloud):
        self.cloud, self.ec2 = cloud, cloud.client()
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.group = self.ec2.create_security_group(GroupName="bench", Description="bench", VpcId=vpc)["GroupId"]
        self.ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.ec2", VpcEndpointType="Interface",
                                     SubnetIds=[subnet], SecurityGroupIds=[self.group])
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[permission("10.255.255.255/32")])

    def grow(self, count):
        """Copies of the one rule, in the database at rest: by calls, ten thousand are looked through for each."""
        self.cloud.launcher("stop-one", "api")
        with contextlib.closing(sqlite3.connect(self.cloud.home / "api" / "minicloud.db")) as db, db:
            columns = [c[1] for c in db.execute("PRAGMA table_info(resource)")]
            rows = [dict(zip(columns, r)) for r in db.execute("SELECT * FROM resource")]
            model = next(r for r in rows if "10.255.255.255/32" in r["doc"])
            have = sum(r["id"].startswith("sgr-") and r["parent"] == self.group for r in rows)
            last = max(r["seq"] for r in rows)
            for n in range(count - have):
                address = f"11.0.{n // 250}.{n % 250}/32"
                new = dict(model, seq=last + 1 + n, id=f"sgr-{secrets.token_hex(9)[:17]}",
                           doc=model["doc"].replace("10.255.255.255/32", address))
                db.execute(f"INSERT INTO resource VALUES ({','.join('?' * len(columns))})", [new[c] for c in columns])
        self.cloud.launcher("start-one", "api")
        wait_until("the API answers", lambda: self.cloud.socket_call("minicloud", "GET", "/v1/health")[0] == 200, 60)
        # The first change finds out whether netd has the document of this start.
        self.ec2.revoke_security_group_ingress(GroupId=self.group, IpPermissions=[permission("11.0.0.0/32")])

    def revoked(self, n):
        """Milliseconds of the daemon for one call, by its log."""
        self.ec2.revoke_security_group_ingress(GroupId=self.group, IpPermissions=[permission(f"11.0.0.{n}/32")])


def permission(cidr):
    return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": cidr}]}


def api_rows():
    cloud = Cloud()
    try:
        cloud.start()
        api, rows = Api(cloud), []
        for count in API_RULES:
            api.grow(count)
            took = [timed(lambda n=n: api.revoked(n))[0] for n in range(1, min(count - 2, TIMES))]
            rows.append((count, statistics.median(took)))
        (few, base), *more = rows
        return [Row(f"API: RevokeSecurityGroupIngress of one of {count:,}, as boto3 sees it", took, base, "ms", f"one of {few}", None)
                for count, took in more]
    finally:
        if cloud.home.exists():
            cloud.launcher("stop", "--purge", "--grace", "0", check=False)
        cloud.forget()


NOTES = [f"medians of {TIMES}; of whole documents {WHOLE_TIMES}. netd: from the call on its socket, put into words, to the answer",
         "a rule for everybody: what it let begin, and need not be tracked, ends; the kernel goes through its table of connections for "
         "that, which is as large as the host's memory makes it",
         "nft: the time of the program less that of one that does nothing"]


def measure():
    """(rows, notes)."""
    world = netlab.World()
    try:
        world.start()
        rows = change_rows(world) + [wide_row(world)] + plug_rows(world)
    finally:
        world.close()
    return rows + api_rows(), NOTES
