"""Bytes that interfaces carry are counted exactly, whoever is killed meanwhile."""

import os
import signal

from cloud import run, send_datagrams

PORT = 9


def test_counted_to_the_byte(cloud, ec2, pair):
    """Through a kill of netd, which does not see the packets, and of the API daemon, which stores the sums."""
    guest = pair[0]
    described = guest.described
    group, address = described["SecurityGroups"][0]["GroupId"], guest.public_ip
    eni = described["NetworkInterfaces"][0]["NetworkInterfaceId"]
    rule = {"IpProtocol": "udp", "FromPort": PORT, "ToPort": PORT, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    begun = cloud.settled_counters(eni)
    assert begun["instance"] == guest.id and begun["internet_out"] > 0
    sent = send_datagrams(address, PORT, 10, 1000)
    assert cloud.counters(eni)["internet_in"] == begun["internet_in"] + sent
    os.kill(cloud.pid("netd"), signal.SIGKILL)
    sent += send_datagrams(address, PORT, 7, 501)
    cloud.launcher("start-one", "netd")
    os.kill(cloud.pid("api"), signal.SIGKILL)
    sent += send_datagrams(address, PORT, 3, 20)
    cloud.launcher("start-one", "api")
    assert cloud.counters(eni)["internet_in"] == begun["internet_in"] + sent
    line = (f'minicloud_interface_bytes_total{{interface="{eni}",instance="{guest.id}",scope="internet",direction="in"}} '
            f'{begun["internet_in"] + sent}')
    metrics = run("curl", "-s", "--unix-socket", cloud.run / "minicloud.sock", "http://d/metrics").stdout
    assert line in metrics.splitlines()
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    send_datagrams(address, PORT, 3, 20)
    assert cloud.counters(eni)["internet_in"] == begun["internet_in"] + sent, "what is dropped is not carried"
