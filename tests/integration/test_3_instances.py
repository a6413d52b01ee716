"""Two real instances, launched by the real AWS CLI and used as anybody would use them."""

import base64
import contextlib
import json
import os

import pytest

from cloud import BOOT_S, SHORT_S, Guest, error_of, files_below, wait_until


def test_run_instances_answer(launch, open_group, cloud):
    answer, _ = launch
    assert answer["ReservationId"].startswith("r-") and len(answer["Instances"]) == 2
    for index, instance in enumerate(answer["Instances"]):
        assert instance["State"] == {"Code": 0, "Name": "pending"}
        assert instance["AmiLaunchIndex"] == index
        assert instance["InstanceType"] == "t3.nano" and instance["KeyName"] == "tests"
        assert [g["GroupId"] for g in instance["SecurityGroups"]] == [open_group]
        assert instance["PrivateIpAddress"].startswith("172.31.")
        tags = {t["Key"]: t["Value"] for t in instance["Tags"]}
        assert tags.pop("aws:minicloud:accelerator") in ("kvm", "qemu")
        assert tags == {"Name": "pair", "role": "test"}
    ips = {i["PrivateIpAddress"] for i in answer["Instances"]}
    assert len(ips) == 2


def test_client_token(cloud, launch, ec2):
    """The same call again is the same instances; another call with that token is refused."""
    answer, words = launch
    again = cloud.aws(*words)
    assert again["ReservationId"] == answer["ReservationId"]
    assert [i["InstanceId"] for i in again["Instances"]] == [i["InstanceId"] for i in answer["Instances"]]
    other = [("t3.micro" if w == "t3.nano" else w) for w in words]
    done = cloud.aws(*other, check=False)
    assert done.returncode != 0 and "IdempotentParameterMismatch" in done.stderr
    named = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["pair"]}])["Reservations"]
    assert len([i for r in named for i in r["Instances"]]) == 2


def test_running(cloud, pair, ec2):
    for guest in pair:
        instance = guest.described
        assert instance["State"] == {"Code": 16, "Name": "running"}
        assert instance["PublicIpAddress"].startswith("203.0.113.")
        assert instance["PublicDnsName"] and instance["PrivateDnsName"]
        assert instance["StateTransitionReason"] == "" and "StateReason" not in instance
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        mapping = instance["BlockDeviceMappings"]
        assert [m["DeviceName"] for m in mapping] == [instance["RootDeviceName"]]
        volume = ec2.describe_volumes(VolumeIds=[mapping[0]["Ebs"]["VolumeId"]])["Volumes"][0]
        assert volume["State"] == "in-use"
        assert volume["Attachments"][0]["InstanceId"] == guest.id
        assert volume["AvailabilityZone"] == instance["Placement"]["AvailabilityZone"]
        assert {"Key": "Name", "Value": "pair-root"} in volume["Tags"]
    assert len({g.public_ip for g in pair}) == 2


def test_status(pair, ec2, cloud, aws_program):
    ids = [g.id for g in pair]
    statuses = cloud.aws("ec2", "describe-instance-status", "--instance-ids", *ids,
                         program=aws_program)["InstanceStatuses"]
    assert sorted(s["InstanceId"] for s in statuses) == sorted(ids)
    assert {s["InstanceState"]["Name"] for s in statuses} == {"running"}
    ec2.get_waiter("instance_running").wait(InstanceIds=ids)


def test_status_checks(pair, ec2):
    """The system's: a QEMU runs. The instance's: the guest answers to ARP."""
    ids = [g.id for g in pair]

    def checks():
        shown = ec2.describe_instance_status(InstanceIds=ids)["InstanceStatuses"]
        return {(s[check]["Status"], d["Name"], d["Status"]) for s in shown for check in ("InstanceStatus", "SystemStatus")
                for d in s[check]["Details"]}
    wait_until("both are well", lambda: checks() == {("ok", "reachability", "passed")}, BOOT_S)


def test_filters_and_pages(pair, cloud, ec2):
    ids = sorted(g.id for g in pair)

    def find(**filters):
        words = [f"Name={n.replace('__', ':').replace('_', '-')},Values={v}" for n, v in filters.items()]
        answer = cloud.aws("ec2", "describe-instances", "--filters", *words)
        return sorted(i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"])
    assert find(instance_state_name="running") == ids
    assert find(tag__Name="pair", instance_type="t3.*") == ids
    assert find(private_ip_address=pair[0].private_ip) == [pair[0].id]
    assert find(instance_state_name="stopped") == []
    pages = cloud.aws("ec2", "describe-instances", "--page-size", "5", "--max-items", "1")
    assert len(pages["Reservations"]) == 1


def test_inside(pair):
    """What the guest made of its metadata: name, key, user data run once, disk grown, root by sudo."""
    for guest in pair:
        want = "ip-" + guest.private_ip.replace(".", "-")
        assert guest.ssh("hostname").split(".")[0].strip() == want
        assert guest.ssh("id -un").strip() == "ec2-user"
        assert guest.ssh("sudo id -u").strip() == "0"
        assert guest.ssh("cat /var/lib/user-data-ran").split() == ["run"]
        assert guest.private_ip in guest.ssh("ip -4 addr show dev eth0")


def test_names_resolve(pair):
    one, other = pair
    name = other.described["PrivateDnsName"]
    wait_until("the name is resolved", lambda: other.private_ip in one.ssh(f"nslookup {name} || true"), SHORT_S)


def test_ssh_between(pair):
    """From one guest to the other by the private address, with a key of its own."""
    one, other = pair
    public = one.ssh("test -e k || dropbearkey -t ed25519 -f k >/dev/null 2>&1; dropbearkey -y -f k | grep ^ssh-")
    other.ssh("cat >> ~/.ssh/authorized_keys", stdin=public)
    got = one.ssh(f"dbclient -y -y -i k ec2-user@{other.private_ip} hostname 2>/dev/null </dev/null")
    assert got.strip() == other.ssh("hostname").strip()


def test_metadata(pair, cloud):
    """All that the issue names, read inside by version 2; version 1 is refused."""
    guest = pair[1]
    instance = guest.described

    def imds(path):
        return guest.ssh(f"imds {path}")
    want = {
        "instance-id": guest.id, "ami-id": instance["ImageId"], "local-ipv4": guest.private_ip,
        "public-ipv4": guest.public_ip, "hostname": instance["PrivateDnsName"],
        "public-hostname": instance["PublicDnsName"], "instance-type": "t3.nano", "ami-launch-index": "1",
        "mac": instance["NetworkInterfaces"][0]["MacAddress"], "security-groups": "open",
        "placement/availability-zone": instance["Placement"]["AvailabilityZone"],
        "public-keys/": "0=tests",
    }
    assert {path: imds(f"meta-data/{path}") for path in want} == want
    nic = f"meta-data/network/interfaces/macs/{want['mac']}"
    assert imds(f"{nic}/interface-id") == instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert imds(f"{nic}/subnet-id") == instance["SubnetId"]
    assert imds("meta-data/public-keys/0/openssh-key").startswith("ssh-ed25519 ")
    assert imds("user-data").startswith("#!/bin/sh\necho run")
    document = json.loads(imds("dynamic/instance-identity/document"))
    assert (document["instanceId"], document["privateIp"], document["region"]) == \
        (guest.id, guest.private_ip, "us-east-1")
    address = "http://169.254.169.254/latest/meta-data/instance-id"
    refused = guest.ssh(f"wget -q -O - {address} 2>&1 && echo passed || true")
    assert "passed" not in refused and "401" in refused and guest.id not in refused


def test_metadata_forwarded(pair):
    """A token is not given to a proxy's client, and a guest cannot pass as another."""
    one, other = pair
    put = ("PUT /latest/api/token HTTP/1.0\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n"
           f"X-Forwarded-For: {other.private_ip}\\r\\n\\r\\n")
    answer = one.ssh(f"printf '{put}' | timeout {SHORT_S} nc 169.254.169.254 80")
    assert " 403 " in answer.splitlines()[0]


def test_console_output(pair, cloud, ec2):
    output = wait_until("the guest has said that it is ready", lambda: (o := ec2.get_console_output(InstanceId=pair[0].id)) and
                        "minicloud-tiny: ready" in o["Output"] and o, SHORT_S)
    assert "user data speaks" in output["Output"]
    assert output["InstanceId"] == pair[0].id and output["Timestamp"]
    text = cloud.aws("ec2", "get-console-output", "--instance-id", pair[0].id)["Output"]
    assert "minicloud-tiny: ready" in text


def test_reboot(pair, cloud, ec2):
    guest = pair[0]
    before = guest.ssh("cat /proc/sys/kernel/random/boot_id")
    address = guest.public_ip
    ec2.reboot_instances(InstanceIds=[guest.id])
    assert guest.described["State"]["Name"] == "running"

    def rebooted():
        return guest.try_ssh("cat /proc/sys/kernel/random/boot_id", address=address) not in (None, "", before)
    wait_until("it has rebooted", rebooted, BOOT_S)
    guest.wait_ready()
    assert guest.public_ip == address
    assert guest.ssh("cat /var/lib/user-data-ran").split() == ["run"]


def test_stop_and_start(pair, cloud, ec2):
    """The root disk and the private address stay, the public one goes."""
    guest = pair[1]
    private, public, volumes = guest.private_ip, guest.public_ip, guest.described["BlockDeviceMappings"]
    guest.ssh("echo kept | sudo tee /root/kept && sync")
    change = ec2.stop_instances(InstanceIds=[guest.id])["StoppingInstances"][0]
    assert change["PreviousState"]["Name"] == "running" and change["CurrentState"]["Name"] == "stopping"
    seen = ["stopping"]
    stopped = cloud.wait_state(guest.id, "stopped", seen=seen)
    assert seen == ["stopping", "stopped"]
    assert stopped["StateReason"] == {"Code": "Client.UserInitiatedShutdown",
                                      "Message": "Client.UserInitiatedShutdown: User initiated shutdown"}
    assert stopped["StateTransitionReason"].startswith("User initiated (")
    assert stopped["PrivateIpAddress"] == private and "PublicIpAddress" not in stopped
    assert error_of(ec2.reboot_instances, InstanceIds=[guest.id])[0] == "IncorrectInstanceState"
    seen = []
    ec2.start_instances(InstanceIds=[guest.id])
    started = cloud.wait_state(guest.id, "running", seen=seen)
    assert seen in (["pending", "running"], ["running"])
    assert started["PrivateIpAddress"] == private and started["PublicIpAddress"] != public
    assert started["BlockDeviceMappings"] == volumes
    guest.wait_ready()
    assert guest.ssh("sudo cat /root/kept").strip() == "kept"
    assert guest.ssh("cat /var/lib/user-data-ran").split() == ["run"]
    assert guest.ssh("imds meta-data/public-ipv4") == guest.public_ip


def test_guest_powers_itself_off(pair, cloud, ec2):
    """Seen at once; the instance is stopped with AWS's reason, and can be started again."""
    guest = pair[1]
    guest.ssh("sudo poweroff", check=False)
    stopped = cloud.wait_state(guest.id, "stopped")
    assert stopped["StateReason"] == {"Code": "Client.InstanceInitiatedShutdown",
                                      "Message": "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()


def test_force_stop(pair, cloud, ec2):
    guest = pair[1]
    ec2.stop_instances(InstanceIds=[guest.id], Force=True)
    cloud.wait_state(guest.id, "stopped")
    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()


@pytest.fixture
def short_lived(cloud, ec2, key_file, open_group):
    """An instance that powers itself off when it has come up and is told to, and goes by that."""
    answer = ec2.run_instances(
        ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="tests",
        SecurityGroupIds=[open_group], InstanceInitiatedShutdownBehavior="terminate",
        UserData="#!/bin/sh\nuntil test -e /tmp/go; do sleep 1; done\npoweroff\n")
    return Guest(cloud, answer["Instances"][0]["InstanceId"], key_file)


def test_shutdown_terminates_where_asked(short_lived, cloud, ec2):
    described = short_lived.described
    volume = wait_until("the root volume is shown", lambda: [
        m["Ebs"]["VolumeId"] for m in short_lived.described["BlockDeviceMappings"]], SHORT_S)[0]
    eni, vpc = described["NetworkInterfaces"][0]["NetworkInterfaceId"], described["VpcId"]
    cloud.wait_state(short_lived.id, "running")
    short_lived.wait_ssh()
    short_lived.ssh("touch /tmp/go")
    seen = []

    def gone():
        instance = short_lived.described
        if not seen or seen[-1] != instance["State"]["Name"]:
            seen.append(instance["State"]["Name"])
        return instance if seen[-1] == "terminated" else None
    instance = wait_until("it is terminated", gone, BOOT_S)
    order = ["running", "shutting-down", "terminated"]
    assert seen == [s for s in order if s in seen]
    assert instance["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert "PrivateIpAddress" not in instance or not instance["NetworkInterfaces"]
    assert_gone(cloud, ec2, short_lived.id, volume, eni, vpc)


def assert_gone(cloud, ec2, instance, volume, eni, vpc):
    """Nothing of a terminated instance is left in any daemon."""
    wait_until("the domain is gone", lambda: instance not in cloud.domains(), SHORT_S)
    wait_until("the interface is gone", lambda: eni not in cloud.plugged(vpc), SHORT_S)
    wait_until("the volume is gone", lambda: volume not in cloud.volumes(), SHORT_S)
    wait_until("the volume is not described any more", lambda: error_of(
        ec2.describe_volumes, VolumeIds=[volume])[0] == "InvalidVolume.NotFound", SHORT_S)
    # libvirt's own logs are its to keep.
    left = None

    def nothing():
        nonlocal left
        left = [p for p in files_below(cloud.home) if (volume in p.name or instance in p.name) and cloud.home / "libvirt" / "log" not in p.parents]
        return not left
    with contextlib.suppress(AssertionError):
        wait_until("its files are gone", nothing, SHORT_S)
    assert not left


def test_failed_launch(cloud, ec2, pair, key_file):
    """Without its image's file, a launch ends terminated with a reason and leaves nothing."""
    layer = cloud.socket_call("storaged", "GET", "/v1/images")[1]["images"][0]["layer"]
    files = [p for p in cloud.home.joinpath("store").rglob("*") if layer in p.name]
    assert files
    hidden = [p.rename(p.with_name("hidden-" + p.name)) for p in files]
    try:
        answer = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1)
        guest = Guest(cloud, answer["Instances"][0]["InstanceId"], key_file)
        vpc = answer["Instances"][0]["VpcId"]
        instance = cloud.wait_state(guest.id, "terminated")
    finally:
        for now, before in zip(hidden, files):
            now.rename(before)
    assert instance["StateReason"]["Code"] == "Server.InternalError"
    assert instance["StateReason"]["Message"].startswith("Server.InternalError: ")
    wait_until("it has no domain", lambda: guest.id not in cloud.domains(), SHORT_S)
    wait_until("only the pair's volumes are left", lambda: len(cloud.volumes()) == 2, SHORT_S)
    wait_until("only the pair's interfaces are left", lambda: len(cloud.plugged(vpc)) == 2, SHORT_S)


def test_no_capacity(cloud, ec2, pair):
    """More memory than the host has: the instance ends, and says of what."""
    types = [t for page in ec2.get_paginator("describe_instance_types").paginate() for t in page["InstanceTypes"]]
    largest = max(types, key=lambda t: t["MemoryInfo"]["SizeInMiB"])
    if largest["MemoryInfo"]["SizeInMiB"] << 20 <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        pytest.skip(f"this host has more memory than a {largest['InstanceType']}")
    answer = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType=largest["InstanceType"], MinCount=1, MaxCount=1)
    instance = cloud.wait_state(answer["Instances"][0]["InstanceId"], "terminated")
    assert instance["StateReason"]["Code"] == "Server.InsufficientInstanceCapacity"


def test_user_data_round_trip(cloud, ec2, pair):
    """Binary user data arrives as it was sent."""
    data = bytes(range(256))
    answer = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1,
                               UserData=data, SecurityGroupIds=[pair[0].described["SecurityGroups"][0]["GroupId"]],
                               KeyName="tests")
    guest = Guest(cloud, answer["Instances"][0]["InstanceId"], pair[0].key_file)
    instance = cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    assert base64.b64decode(guest.ssh("imds user-data | base64")) == data
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    eni = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    change = ec2.terminate_instances(InstanceIds=[guest.id])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == "shutting-down"
    seen = ["shutting-down"]
    gone = cloud.wait_state(guest.id, "terminated", seen=seen)
    assert seen == ["shutting-down", "terminated"]
    assert gone["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert_gone(cloud, ec2, guest.id, volume, eni, instance["VpcId"])
    # It stays visible, terminating it again is no error, and nothing else works any more.
    assert ec2.terminate_instances(InstanceIds=[guest.id])["TerminatingInstances"][0]["CurrentState"]["Name"] == \
        "terminated"
    assert error_of(ec2.start_instances, InstanceIds=[guest.id])[0] == "IncorrectInstanceState"
