"""The four daemons: who they run as, and that each may die while an instance runs."""

import os
import pathlib
import pwd
import signal

import pytest

from cloud import BOOT_S, DAEMONS, IN_VAIN_S, SHORT_S, can_connect, wait_until


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


CAPABILITIES = {"netd": (1 << 10) | (1 << 12) | (1 << 13) | (1 << 21)}  # bind, net_admin, net_raw, sys_admin


@pytest.mark.parametrize("daemon", DAEMONS)
def test_runs_unprivileged(cloud, daemon):
    status = status_of(cloud.pid(daemon))
    assert len(set(status["Uid"].split())) == 1
    assert pwd.getpwuid(int(status["Uid"].split()[0])).pw_name == f"minicloud-{daemon}"
    assert "0" not in status["Gid"].split() and "0" not in status["Groups"].split()
    for line in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[line], 16) & ~CAPABILITIES.get(daemon, 0) == 0
    assert status["NoNewPrivs"] == "1"


def test_no_guest_runs_as_root(cloud, pair):
    found = 0
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            owner = int(status_of(path.name)["Uid"].split()[0])
        except (OSError, KeyError):
            continue
        if command.startswith(b"/usr/bin/qemu-system"):
            found += 1
            assert owner != 0
    assert found >= len(pair)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_killed_and_restarted(cloud, pair, daemon):
    """SIGKILL: the guests do not notice, and the cloud goes on when the daemon is back."""
    guest = pair[0]
    address, group = guest.public_ip, guest.described["SecurityGroups"][0]["GroupId"]
    boot = guest.ssh("cat /proc/sys/kernel/random/boot_id")
    pid = cloud.pid(daemon)
    os.kill(pid, signal.SIGKILL)
    assert guest.ssh("cat /proc/sys/kernel/random/boot_id", address=address) == boot
    cloud.launcher("start-one", daemon)
    assert cloud.pid(daemon) != pid
    ec2 = cloud.client()
    assert cloud.instance(guest.id)["State"]["Name"] == "running"
    # A change goes all the way through again ...
    rule = {"IpProtocol": "tcp", "FromPort": 8081, "ToPort": 8081, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    guest.ssh("busybox httpd -p 8081 -h /tmp || true")
    assert can_connect(address, 8081)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert not can_connect(address, 8081, IN_VAIN_S)
    # ... the metadata is served, and the console and the volumes are known.
    wait_until("metadata is served", lambda: guest.try_ssh("timeout 5 imds meta-data/instance-id") == guest.id, SHORT_S)
    assert ec2.get_console_output(InstanceId=guest.id)["Output"]  # whatever was written last
    wait_until("the volumes are known", lambda: len(cloud.volumes()) == len(pair), SHORT_S)
    wait_until("the domains are known", lambda: {g.id for g in pair} <= cloud.domains(), SHORT_S)


def ended(pid):
    try:
        return status_of(pid)["State"].startswith("Z")
    except OSError:
        return True


def test_stop_while_the_hypervisor_was_dead(cloud, pair):
    """A guest that ends while nobody watches is found stopped."""
    guest = pair[1]
    qemu = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")[1]["pid"]
    address = guest.public_ip
    os.kill(cloud.pid("hypervisor"), signal.SIGKILL)
    guest.ssh("sudo poweroff", check=False, address=address)
    wait_until("the guest is off", lambda: ended(qemu), BOOT_S)
    cloud.launcher("start-one", "hypervisor")
    stopped = cloud.wait_state(guest.id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    cloud.client().start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
