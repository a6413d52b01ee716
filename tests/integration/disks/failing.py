"""A disk of the host that fails under a guest: the guest waits, the volume's I/O is off until somebody enables it, or by
itself where the volume says so. `make disk-trouble`."""

import contextlib

import pytest

from cloud import BOOT_S, wait_until
from monitor import THERE, Monitor
from test_3_full_disk import begin_to_write, check_written, status_of, status_of_volume
from test_3_volumes import wait_attached, wait_gone, wait_seen, wait_volume

WRITTEN_MIB = 4


class Breaker(Monitor):
    @contextlib.contextmanager
    def failing(self, volume):
        """While this lasts each write to the file fails as on a broken disk."""
        path, node = self.device(volume)
        self.ask("blockdev-add", driver="blkdebug", node_name="failing", image=node,
                 inject_error=[{"event": "none", "iotype": "write", "errno": 5, "once": False}])
        self.ask("qom-set", path=path, property="drive", value="failing")
        try:
            yield
        finally:
            self.ask("qom-set", path=path, property="drive", value=node)
            self.ask("blockdev-del", node_name="failing")


@pytest.fixture
def volume(ec2, pair):
    guest = pair[0]
    made = ec2.create_volume(AvailabilityZone=guest.described["Placement"]["AvailabilityZone"], Size=1, VolumeType="gp3")["VolumeId"]
    wait_volume(ec2, made, "available")
    ec2.attach_volume(VolumeId=made, InstanceId=guest.id, Device="/dev/sdf")
    wait_attached(ec2, made)
    wait_seen(guest, made)
    yield made
    ec2.detach_volume(VolumeId=made)
    wait_volume(ec2, made, "available")
    ec2.delete_volume(VolumeId=made)
    wait_gone(ec2, made)


def impaired(ec2, guest, volume):
    wait_until("the guest is called impaired", lambda: status_of(ec2, guest) == "impaired", BOOT_S)
    return status_of_volume(ec2, volume)


@pytest.mark.skipif(not THERE, reason="virsh (libvirt-clients) is what breaks the disk")
def test_failing_disk(cloud, ec2, pair, volume):
    guest = pair[0]
    monitor = Breaker(cloud, guest)
    wait_until("the guest is heard", lambda: status_of(ec2, guest) == "ok", BOOT_S)
    with monitor.failing(volume):
        begin_to_write(guest, volume, WRITTEN_MIB)
        assert impaired(ec2, guest, volume) == ("impaired", {"io-enabled": "failed", "io-performance": "not-applicable"},
                                                ["potential-data-inconsistency"], ["enable-volume-io"])
    assert status_of(ec2, guest) == "impaired", "nobody has enabled it since"
    ec2.enable_volume_io(VolumeId=volume)
    wait_until("it goes on", lambda: status_of(ec2, guest) == "ok", BOOT_S)
    check_written(guest, volume, WRITTEN_MIB)
    assert status_of_volume(ec2, volume) == ("ok", {"io-enabled": "passed", "io-performance": "not-applicable"}, [], [])


@pytest.mark.skipif(not THERE, reason="virsh (libvirt-clients) is what breaks the disk")
def test_failing_disk_that_is_enabled_by_itself(cloud, ec2, pair, volume):
    guest = pair[0]
    ec2.modify_volume_attribute(VolumeId=volume, AutoEnableIO={"Value": True})
    with Breaker(cloud, guest).failing(volume):
        begin_to_write(guest, volume, WRITTEN_MIB)
        assert impaired(ec2, guest, volume)[0] == "impaired"
    wait_until("it goes on", lambda: status_of(ec2, guest) == "ok", BOOT_S)
    check_written(guest, volume, WRITTEN_MIB)
