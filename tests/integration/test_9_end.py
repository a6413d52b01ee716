"""The end: termination, and that a stopped cloud leaves nothing on the machine."""

import contextlib

import leftovers
from cloud import SHORT_S, send_datagrams, wait_until


def test_store_proves_right(cloud):
    """After all that was done to it, with guests' volumes in use: graph, headers, allocated bytes, no orphans."""
    try:
        wait_until("the store proves right", lambda: cloud.store_findings() == "0 findings\n", SHORT_S)
    except AssertionError as e:
        raise AssertionError(cloud.store_findings()) from e


def test_terminate_everything(cloud, pair):
    ids = [g.id for g in pair]
    instance = pair[0].described
    eni, vpc = instance["NetworkInterfaces"][0]["NetworkInterfaceId"], instance["VpcId"]
    cloud.client().authorize_security_group_ingress(
        GroupId=instance["SecurityGroups"][0]["GroupId"], IpProtocol="udp", FromPort=9, ToPort=9, CidrIp="0.0.0.0/0")
    carried = cloud.settled_counters(eni)["internet_in"] + send_datagrams(instance["PublicIpAddress"], 9, 5, 700)
    answer = cloud.aws("ec2", "terminate-instances", "--instance-ids", *ids)["TerminatingInstances"]
    assert {c["CurrentState"]["Name"] for c in answer} <= {"shutting-down", "terminated"}
    for guest in pair:
        cloud.wait_state(guest.id, "terminated")
    cloud.client().get_waiter("instance_terminated").wait(InstanceIds=ids)
    wait_until("no domain is left", lambda: not cloud.domains(), SHORT_S)
    wait_until("no volume is left", lambda: not cloud.volumes(), SHORT_S)
    wait_until("no interface is left", lambda: eni not in cloud.plugged(vpc), SHORT_S)
    rows = cloud.socket_call("minicloud", "GET", "/v1/counters")[1]["interfaces"]
    assert [r["internet_in"] for r in rows if r["id"] == eni] == [carried], "the last bytes were read before it went"
    statuses = cloud.aws("ec2", "describe-instance-status", "--include-all-instances")["InstanceStatuses"]
    assert set(ids) <= {s["InstanceId"] for s in statuses}


def test_network_went_with_the_last_interface(cloud, before):
    """Without interfaces a VPC has no namespace, no dnsmasq, no device."""
    def added():
        things = before.added_by(leftovers.Snapshot())
        names = {kind: things.get(kind, ()) for kind in ("network devices",)}
        names["dnsmasq"] = [p for p in things.get("processes", ()) if "dnsmasq" in p]
        names["namespaces"] = [m for m in things.get("mounts", ()) if str(cloud.run) in m]
        return {kind: found for kind, found in names.items() if found}
    wait_until("the VPC's network is gone", lambda: not added(), SHORT_S)


def test_stop_keeps_the_records(cloud, pair):
    """Down and up again: the same account, key and terminated instances."""
    old = (cloud.key_id, cloud.secret)
    seen = {i["InstanceId"] for r in cloud.client().describe_instances()["Reservations"] for i in r["Instances"]}
    cloud.stop()
    cloud.launcher("start")
    cloud.running = True
    cloud.read_credentials()
    assert (cloud.key_id, cloud.secret) == old
    now = {i["InstanceId"] for r in cloud.client().describe_instances()["Reservations"] for i in r["Instances"]}
    assert {g.id for g in pair} <= now <= seen, "terminated ones are shown for an hour"


def test_nothing_is_left(cloud, before):
    """No process, network device, route, rule, nft table, mount or file after the end."""
    cloud.purge()
    added = None

    def nothing():
        """The kernel takes the devices of a namespace that has gone away in its own time."""
        nonlocal added
        added = before.added_by(leftovers.Snapshot())
        return added == {}
    with contextlib.suppress(AssertionError):
        wait_until("nothing is left", nothing, SHORT_S)
    assert added == {}
    assert not cloud.home.exists() and not cloud.run.exists()
