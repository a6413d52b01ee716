"""A rehearsal of a host's reboot: all processes, namespaces and nft tables gone at once, /run too."""

import json
import shutil
import sys

from cloud import BOOT_S, SHORT_S, Cloud, Guest, run, send_datagrams, wait_until
from test_3_volumes import serial, volume_of, wait_attached, wait_volume

NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
              "--kill-child", "bash", "-c", 'ip link set lo up; exec "$@"', "host"]


# The data volumes by device, encrypted or not; the latter two are not attached when the host goes down.
DISKS = {"/dev/sdf": False, "/dev/sdg": True, "/dev/sdh": False, "/dev/sdi": True}
LOOSE = ("/dev/sdh", "/dev/sdi")
HALF_WAY = "snap-0123456789abcdef0"
MARK = "dd bs=64k count=16"  # so much of each is random


class OneHost(Cloud):
    """A cloud whose directory outlives this process: what a disk is to a host."""

    def __init__(self, directory):  # pylint: disable=super-init-not-called
        self.directory = directory
        self.home, self.run, self.own = directory / "h", directory / "r", directory / "client"
        self.running, self.endpoint, self.key_id, self.secret = False, None, None, None


def shown(guest):
    """What stays, and the bytes that came in, which only grow."""
    d = guest.described
    counted = guest.cloud.counters(d["NetworkInterfaces"][0]["NetworkInterfaceId"])
    mapped = [[m["DeviceName"], m["Ebs"]["VolumeId"], m["Ebs"]["Status"], m["Ebs"]["AttachTime"].isoformat()]
              for m in d["BlockDeviceMappings"]]
    return [d["InstanceId"], d["PrivateIpAddress"], d["PublicIpAddress"], d["LaunchTime"].isoformat(), mapped], counted["internet_in"]


def launch_with_two(cloud, ec2):
    """An instance with two interfaces at its launch, the second in a group that lets nothing in; an elastic address for each;
    and with the disks."""
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    closed = ec2.create_security_group(GroupName="second", Description="of the second interface")["GroupId"]
    answer = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", KeyName="k", MinCount=1, MaxCount=1, NetworkInterfaces=[
        {"DeviceIndex": 0, "SubnetId": subnet}, {"DeviceIndex": 1, "SubnetId": subnet, "Groups": [closed]}], BlockDeviceMappings=[
            {"DeviceName": d, "Ebs": {"VolumeSize": 1, "Encrypted": encrypted}} for d, encrypted in DISKS.items()])
    instance = answer["Instances"][0]
    cloud.wait_state(instance["InstanceId"], "running")
    for interface in instance["NetworkInterfaces"]:
        ec2.associate_address(AllocationId=ec2.allocate_address()["AllocationId"], NetworkInterfaceId=interface["NetworkInterfaceId"])
    return instance["InstanceId"]


def interfaces_of(guest):
    """As EC2 shows them, by device index."""
    return {i["Attachment"]["DeviceIndex"]: i for i in guest.described["NetworkInterfaces"]}


def expect_pings(guest, address, passed):
    """Of some echo requests to the address, and then one to the guest's first that surely comes, the guest gets so many."""
    before = guest.count_pings_in()
    for to, count in ((address, 3), (guest.public_ip, 1)):
        run("ping", "-q", "-c", count, "-i", "0.2", "-W", "0.2", to, check=False)
    wait_until("they have come", lambda: guest.count_pings_in() >= before + 1 + passed, SHORT_S)
    assert guest.count_pings_in() == before + 1 + passed


def two_interfaces_work(guest, ec2):
    """The guest sees both, each with its address from the network; packets pass from each, and to each as its own group says."""
    shown = interfaces_of(guest)
    for interface in shown.values():
        name = guest.ssh(f"grep -l {interface['MacAddress']} /sys/class/net/*/address | cut -d / -f 5").strip()
        address = interface["PrivateIpAddress"]
        wait_until(f"{name} has {address}", lambda n=name, a=address: f"inet {a}/" in guest.ssh(f"ip addr show dev {n}"), SHORT_S)
        gateway = guest.ssh("ip route show default").split()[2]
        assert guest.ssh(f"ping -c 1 -W {SHORT_S} -I {name} {gateway}", check=False).returncode == 0
    second = shown[1]["Association"]["PublicIp"]
    everywhere = {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "CidrIp": "0.0.0.0/0"}
    ec2.authorize_security_group_ingress(GroupName="default", **everywhere)
    expect_pings(guest, second, 0)
    ec2.authorize_security_group_ingress(GroupName="second", **everywhere)
    expect_pings(guest, second, 3)


def all_seen(guest, volumes):
    words = " && ".join(f"test -e {serial(v)}" for v in volumes)
    wait_until("the guest sees its disks", lambda: guest.ssh(words, check=False).returncode == 0, BOOT_S)


def sums_of(guest, volumes):
    """Of what is on the disks themselves, not in the guest's memory."""
    words = " && ".join(f"blockdev --flushbufs {serial(v)} && {MARK} if={serial(v)} 2>/dev/null | sha256sum" for v in volumes)
    return [line.split()[0] for line in guest.ssh(f"sudo sh -c '{words}'").splitlines()]


def fill_disks(guest, ec2):
    """Something random on each, and some of them detached; their volumes and sums by device."""
    mapped = {m["DeviceName"]: m["Ebs"]["VolumeId"] for m in guest.described["BlockDeviceMappings"]}
    volumes = [mapped[device] for device in DISKS]
    assert [volume_of(ec2, v)["Encrypted"] for v in volumes] == list(DISKS.values())
    all_seen(guest, volumes)
    guest.ssh("sudo sh -c '" + " && ".join(f"{MARK} if=/dev/urandom of={serial(v)} conv=fsync 2>/dev/null" for v in volumes) + "'")
    sums = sums_of(guest, volumes)
    assert len(set(sums)) == len(DISKS)
    for device in LOOSE:
        ec2.detach_volume(VolumeId=mapped[device])
    for device in LOOSE:
        wait_volume(ec2, mapped[device], "available")
    return {device: [volume, mark] for device, volume, mark in zip(DISKS, volumes, sums)}


def disks_are_kept(guest, ec2, filled):
    """What was attached is, what was not is not, and each has what was written."""
    volumes = {device: filled[device][0] for device in DISKS}
    assert {m["DeviceName"] for m in guest.described["BlockDeviceMappings"]}.isdisjoint(LOOSE)
    for device in LOOSE:
        assert volume_of(ec2, volumes[device])["State"] == "available"
        ec2.attach_volume(VolumeId=volumes[device], InstanceId=guest.id, Device=device)
    for volume in volumes.values():
        wait_attached(ec2, volume)
    all_seen(guest, volumes.values())
    assert [volume_of(ec2, v)["Encrypted"] for v in volumes.values()] == list(DISKS.values())
    assert sums_of(guest, volumes.values()) == [filled[device][1] for device in DISKS]


def switch_half_way(guest):
    """As a snapshot does whose last word, that the guest writes to another file now, is never said: it lies where nothing but the
    volume's next opening looks for it."""
    volume = next(m["Ebs"]["VolumeId"] for m in guest.described["BlockDeviceMappings"] if m["DeviceName"] not in DISKS)
    status, prepared = guest.cloud.socket_call("storaged", "PUT", f"/v1/snapshots/{HALF_WAY}", {"volume": volume})
    assert (status, prepared["state"]) == (200, "prepared")
    disk = {"volume": volume, "path": prepared["path"]}
    assert guest.cloud.socket_call("hypervisor", "POST", f"/v1/instances/{guest.id}/snapshot", {"disks": [disk]})[0] == 200


def first_life(cloud):
    """Ends without a word to the daemons: the namespace is killed with all that is in it."""
    cloud.start()
    ec2, key = cloud.client(), cloud.own / "key"
    key.write_text(ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyMaterial"], encoding="ascii")
    key.chmod(0o600)
    for protocol, port in (("tcp", 22), ("udp", 9)):
        ec2.authorize_security_group_ingress(GroupName="default", IpProtocol=protocol, FromPort=port, ToPort=port,
                                             CidrIp="0.0.0.0/0")
    guest = Guest(cloud, launch_with_two(cloud, ec2), key)
    guest.wait_ready()
    two_interfaces_work(guest, ec2)
    switch_half_way(guest)
    guest.ssh("echo kept > mark; sync")
    (cloud.own / "disks").write_text(json.dumps(fill_disks(guest, ec2)), encoding="ascii")
    send_datagrams(guest.public_ip, 9, 300, 1400)  # more than all else that goes in
    print(json.dumps(shown(guest)))


def detached_while_it_boots(cloud, guest):
    """It is on its way out until the guest has let go of it, which takes as long as its kernel needs to come up."""
    ec2, second, vpc = cloud.client(), interfaces_of(guest)[1], guest.described["VpcId"]
    ec2.detach_network_interface(AttachmentId=second["Attachment"]["AttachmentId"])
    wait_until("the guest has let go", lambda: 1 not in interfaces_of(guest), BOOT_S)
    assert second["NetworkInterfaceId"] not in cloud.plugged(vpc)
    guest.wait_ready()
    assert second["MacAddress"] not in guest.ssh("cat /sys/class/net/*/address")


def second_life(cloud):
    cloud.launcher("start")
    cloud.read_credentials()
    instance = cloud.client().describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
    guest = Guest(cloud, instance, cloud.own / "key")
    wait_until("the domain runs again", lambda: cloud.socket_call(
        "hypervisor", "GET", f"/v1/instances/{instance}")[1].get("state") == "running", BOOT_S)
    detached_while_it_boots(cloud, guest)
    guest.wait_ready()
    assert guest.ssh("cat mark").strip() == "kept"
    assert cloud.socket_call("storaged", "GET", f"/v1/snapshots/{HALF_WAY}")[1]["state"] == "available"
    print(json.dumps(shown(guest)))
    disks_are_kept(guest, cloud.client(), json.loads((cloud.own / "disks").read_text(encoding="ascii")))
    cloud.purge()


def live(phase, directory):
    done = run(*NAMESPACES, sys.executable, __file__, phase, directory, timeout=6 * BOOT_S)
    return json.loads(done.stdout.splitlines()[-1])


def test_what_ran_runs_again():
    before = Cloud()
    try:
        first, first_in = live("first", before.directory)
        shutil.rmtree(before.run)
        second, second_in = live("second", before.directory)
        assert second == first
        assert second_in > first_in > 300 * 1400
    finally:
        before.forget()


if __name__ == "__main__":
    import pathlib
    {"first": first_life, "second": second_life}[sys.argv[1]](OneHost(pathlib.Path(sys.argv[2])))
