"""What runs on goes on whoever is killed; and a QEMU that is killed itself."""

import contextlib
import ctypes
import os
import signal

import pytest

from between import Between
from cloud import BOOT_S, DAEMONS, SHORT_S, Guest, wait_until

PORT = 7007
# Each number comes back from the other guest before the connection is closed.
ECHO = f"""cat > /tmp/echo.sh <<'X'
echo $$ > /tmp/echo.pid
rm -f /tmp/back; mkfifo /tmp/back
busybox nc -l -p {PORT} < /tmp/back | busybox cat > /tmp/back
X
busybox setsid sh /tmp/echo.sh < /dev/null > /dev/null 2>&1 &"""
COUNT = """cat > /tmp/count.sh <<'X'
echo $$ > /tmp/count.pid
i=0
while [ ! -e /tmp/stop ]; do echo $i; i=$((i+1)); sleep 0.05; done | busybox nc %s %d > /tmp/numbers
X
rm -f /tmp/stop
busybox setsid sh /tmp/count.sh < /dev/null > /dev/null 2>&1 &"""


@pytest.fixture(scope="module")
def connection(cloud, pair, open_group):
    """One guest counts, the other sends every number back, on one TCP connection. The guest that counts."""
    server, client = pair
    rule = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": [{"GroupId": open_group}]}
    cloud.client().authorize_security_group_ingress(GroupId=open_group, IpPermissions=[rule])
    server.ssh(ECHO)
    wait_until("the echo listens", lambda: f":{PORT:04X} " in server.ssh("cat /proc/net/tcp*"), SHORT_S)
    client.ssh(COUNT % (server.private_ip, PORT))
    yield client
    client.ssh("touch /tmp/stop")
    # What was left of them kept a guest's processor busy for later tests.
    client.ssh("kill -9 -$(cat /tmp/count.pid)", check=False)
    server.ssh("kill -9 -$(cat /tmp/echo.pid)", check=False)
    cloud.client().revoke_security_group_ingress(GroupId=open_group, IpPermissions=[rule])


def numbers(guest):
    return [int(n) for n in guest.ssh("cat /tmp/numbers").split("\n")[:-1]]


def sockets(guest):
    """The local and remote ends of the established connection, as the kernel writes them."""
    lines = [line.split() for line in guest.ssh("cat /proc/net/tcp").splitlines()]
    return [line[1:3] for line in lines if line[2].endswith(f":{PORT:04X}") and line[3] == "01"]


def text_of(path):
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    return ""


def kill_and_bring_back(cloud, victim, vpc):
    """SIGKILL to that process, the VPC's where each has one; what nobody else restarts the launcher does."""
    if victim in DAEMONS:
        os.kill(cloud.pid(victim), signal.SIGKILL)
        cloud.launcher("start-one", victim)
        return
    path = cloud.home / "libvirt/run/libvirtd.pid" if victim == "libvirtd" else cloud.run / "netd" / vpc / "dnsmasq.pid"
    pid = wait_until(f"{victim} runs", lambda: text_of(path), SHORT_S)
    os.kill(int(pid), signal.SIGKILL)
    wait_until(f"{victim} is back", lambda: text_of(path) not in ("", pid), SHORT_S)


@pytest.mark.parametrize("victim", [*DAEMONS, "libvirtd", "dnsmasq"])
def test_a_connection_lives_on(cloud, connection, victim):
    wait_until("numbers come back", lambda: numbers(connection), SHORT_S)
    ends, boot = sockets(connection), connection.ssh("cat /proc/sys/kernel/random/boot_id")
    assert len(ends) == 1
    kill_and_bring_back(cloud, victim, connection.described["VpcId"])
    seen = len(numbers(connection))
    wait_until("numbers go on coming back", lambda: len(numbers(connection)) > seen + 5, SHORT_S)
    back = numbers(connection)
    assert back == list(range(len(back)))
    assert sockets(connection) == ends
    assert connection.ssh("cat /proc/sys/kernel/random/boot_id") == boot
    wait_until("the hypervisor answers", lambda: cloud.socket_call("hypervisor", "GET", "/v1/host")[0] == 200, SHORT_S)


def qemu(cloud, guest):
    """Its pid, None while it has none."""
    status, document = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")
    return document.get("pid") if status == 200 else None


def test_a_qemu_killed_at_once(cloud, pair, ec2):
    """In its first second as later: stopped, with AWS's reason, and startable again."""
    guest = pair[1]
    ec2.stop_instances(InstanceIds=[guest.id], Force=True)
    cloud.wait_state(guest.id, "stopped")
    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    os.kill(qemu(cloud, guest), signal.SIGKILL)
    stopped = cloud.wait_state(guest.id, "stopped")
    assert stopped["StateReason"]["Code"] == "Server.InternalError"
    assert stopped["StateReason"]["Message"].startswith("Server.InternalError: ")
    ec2.start_instances(InstanceIds=[guest.id])
    # Killed while it is pending it is started once more; killed a little later it is stopped again.
    killed = wait_until("a QEMU", lambda: qemu(cloud, guest), BOOT_S)
    os.kill(killed, signal.SIGKILL)
    wait_until("it has settled", lambda: cloud.instance(guest.id)["State"]["Name"] == "stopped" or
               (qemu(cloud, guest) not in (None, killed) and cloud.instance(guest.id)["State"]["Name"] == "running"), BOOT_S)
    if cloud.instance(guest.id)["State"]["Name"] == "stopped":
        ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()


def pause(cloud, guest):
    """As its host's owner may: libvirt alone is told."""
    libvirt = ctypes.CDLL("libvirt.so.0")
    for function in (libvirt.virConnectOpen, libvirt.virDomainLookupByName):
        function.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(libvirt.virConnectOpen(f"qemu+unix:///system?socket={cloud.home}/libvirt/run/libvirt-sock".encode()))
    domain = ctypes.c_void_p(libvirt.virDomainLookupByName(connection, guest.id.encode()))
    assert libvirt.virDomainSuspend(domain) == 0
    libvirt.virDomainFree(domain)
    libvirt.virConnectClose(connection)


def test_a_qemu_that_dies_when_it_was_seen_paused(cloud, pair, ec2):
    """It ends as any other, and is not started behind everybody's back."""
    guest, ends = pair[1], []
    behind, url = "hypervisor-itself", f"/v1/instances/{guest.id}"

    def heard(request, answer):
        if not ends and request.startswith(f"GET {url} ".encode()) and b'"paused"' in answer:
            ends.append(killed)
            os.kill(killed, signal.SIGKILL)
            wait_until("its end is known", lambda: cloud.socket_call(behind, "GET", url)[1]["state"] == "crashed", SHORT_S)
    killed = qemu(cloud, guest)
    with Between(cloud.run / "hypervisor.sock", cloud.run / f"{behind}.sock", heard):
        pause(cloud, guest)
        stopped = cloud.wait_state(guest.id, "stopped")
    assert ends == [killed] and stopped["StateReason"]["Code"] == "Server.InternalError"
    assert all(guest.id not in v["opened_by"] for v in cloud.volumes().values())
    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()


def killed_after(cloud, guest, call):
    """The state that the call has put the instance in; its QEMU is killed the moment after."""
    pid = wait_until("a QEMU", lambda: qemu(cloud, guest), BOOT_S)
    answer = call(InstanceIds=[guest.id])
    with contextlib.suppress(ProcessLookupError):  # ended by the one who was asked
        os.kill(pid, signal.SIGKILL)
    return next(iter(v for k, v in answer.items() if k.endswith("Instances")))[0]["CurrentState"]["Name"]


def test_a_qemu_killed_on_its_way_out(cloud, pair, ec2):
    """While it stops and while it is terminated: what was asked for comes about, and nothing else. Its guest has
    not booted yet and hears no request to end."""
    group = pair[0].described["SecurityGroups"][0]["GroupId"]
    answer = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1,
                               SecurityGroupIds=[group])
    guest = Guest(cloud, answer["Instances"][0]["InstanceId"], pair[0].key_file)
    before = cloud.wait_state(guest.id, "running")
    volume = before["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]

    assert killed_after(cloud, guest, ec2.stop_instances) == "stopping"
    stopped = cloud.wait_state(guest.id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["PrivateIpAddress"] == before["PrivateIpAddress"] and "PublicIpAddress" not in stopped
    wait_until("its volume is closed", lambda: not cloud.volumes()[volume]["opened_by"], SHORT_S)

    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    assert killed_after(cloud, guest, ec2.terminate_instances) == "shutting-down"
    gone = cloud.wait_state(guest.id, "terminated")
    assert gone["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    wait_until("its domain is gone", lambda: guest.id not in cloud.domains(), SHORT_S)
    wait_until("its volume is gone", lambda: volume not in cloud.volumes(), SHORT_S)
    eni = before["NetworkInterfaces"][0]["NetworkInterfaceId"]
    wait_until("its interface is gone", lambda: eni not in cloud.plugged(before["VpcId"]), SHORT_S)
