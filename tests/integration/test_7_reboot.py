"""A rehearsal of a host's reboot: all processes, namespaces and nft tables gone at once, /run too."""

import json
import shutil
import subprocess
import sys

from cloud import Cloud, Guest, run, send_datagrams, wait_until

NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
              "--kill-child", "bash", "-c", 'ip link set lo up; exec "$@"', "host"]


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
    return [d["InstanceId"], d["PrivateIpAddress"], d["PublicIpAddress"], d["LaunchTime"].isoformat()], counted["internet_in"]


def first_life(cloud):
    """Ends without a word to the daemons: the namespace is killed with all that is in it."""
    cloud.start()
    ec2, key = cloud.client(), cloud.own / "key"
    key.write_text(ec2.create_key_pair(KeyName="k", KeyType="ed25519")["KeyMaterial"], encoding="ascii")
    key.chmod(0o600)
    for protocol, port in (("tcp", 22), ("udp", 9)):
        ec2.authorize_security_group_ingress(GroupName="default", IpProtocol=protocol, FromPort=port, ToPort=port,
                                             CidrIp="0.0.0.0/0")
    answer = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", KeyName="k", MinCount=1, MaxCount=1)
    guest = Guest(cloud, answer["Instances"][0]["InstanceId"], key)
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    guest.ssh("echo kept > mark; sync")
    send_datagrams(guest.public_ip, 9, 300, 1400)  # more than all else that goes in
    print(json.dumps(shown(guest)))


def second_life(cloud):
    cloud.launcher("start")
    cloud.read_credentials()
    instance = cloud.client().describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
    guest = Guest(cloud, instance, cloud.own / "key")
    wait_until("the domain runs again", lambda: cloud.socket_call(
        "hypervisor", "GET", f"/v1/instances/{instance}")[1].get("state") == "running", 60)
    guest.wait_ready()
    assert guest.ssh("cat mark").strip() == "kept"
    print(json.dumps(shown(guest)))
    cloud.purge()


def live(phase, directory):
    done = run(*NAMESPACES, sys.executable, __file__, phase, directory, timeout=300)
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
