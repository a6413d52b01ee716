"""Encrypted volumes in real guests: written, snapshotted, restored, grown; keys that are taken away; and a search
of everything on the disk, and of every command line, for what was written and for the keys."""

import base64
import contextlib
import pathlib

import pytest

from cloud import BOOT_S, SHORT_S, Guest, error_of, files_below, wait_until
from datakey import data_key
from test_3_volumes import serial, volume_of, wait_attached, wait_gone, wait_seen, wait_volume

MARK = "this stands in clear on no disk"
STATE = "Client.InvalidKMSKey.InvalidState"


@pytest.fixture(scope="module")
def key(cloud):
    kms = cloud.client("kms")
    made = kms.create_key(Description="of encrypted volumes")["KeyMetadata"]
    yield made
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)


def zone(guest):
    return guest.described["Placement"]["AvailabilityZone"]


@pytest.fixture
def create(ec2):
    """Makes volumes; what of them, and of their snapshots, a failed test leaves is removed."""
    made = []

    def make(guest, **more):
        volume = ec2.create_volume(AvailabilityZone=zone(guest), **{"Size": 1, **more})["VolumeId"]
        made.append(volume)
        wait_volume(ec2, volume, "available")
        return volume_of(ec2, volume)
    yield make
    for volume in made:
        if ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume]}])["Volumes"]:
            remove(ec2, volume)
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        if snapshot["VolumeId"] in made:
            ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


def attach(ec2, guest, volume, device):
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device=device)
    wait_attached(ec2, volume)
    wait_seen(guest, volume)


def remove(ec2, volume):
    if volume_of(ec2, volume)["Attachments"]:
        ec2.detach_volume(VolumeId=volume)
        wait_volume(ec2, volume, "available")
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)


def wait_snapshot(ec2, snapshot):
    def done():
        it = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        assert it["State"] != "error", it
        return it if it["State"] == "completed" else None
    wait_until(f"{snapshot} is there", lambda: done() is not None, SHORT_S)
    return done()


def write_mark(guest, volume):
    guest.ssh(f"yes {MARK} | head -n 4000 | sudo dd of={serial(volume)} bs=64k conv=fsync 2>/dev/null")


def key_of(cloud, volume):
    fd, _ = data_key(cloud.run, volume)
    with open(fd, "rb") as f:
        return f.read()


def files_with(cloud, needles):
    """All that the cloud has on the disk: store, records, logs, libvirt's files; but for the master key and the
    images, which are there in clear."""
    found = []
    for path in files_below(cloud.home, cloud.run):
        if path.name != "master.key" and not {"images-src", "netns"} & set(path.parts):
            with contextlib.suppress(FileNotFoundError):  # it has just gone
                data = path.read_bytes()
                found += [(str(path), needle) for needle in needles if needle in data]
    return found


def processes_with(needles):
    """Command lines and environments; of a process that has just ended there is nothing to read."""
    found = []
    for name in ("cmdline", "environ"):
        for path in pathlib.Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            found += [(str(path), needle) for needle in needles if needle in data]
    return found


def through_kms(cloud, key):
    """What KMS has had in clear of its callers, and given them: bytes, and as they are on the wire."""
    kms, word = cloud.client("kms"), b"a word that only its owner may read"
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=word)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == word
    made = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")["Plaintext"]
    return [form for clear in (word, made) for form in (clear, base64.b64encode(clear), clear.hex().encode())]


def test_encrypted_volume_in_two_guests(cloud, pair, ec2, key, create):
    """What one guest writes is read by another from a snapshot that was taken while it wrote; and is nowhere in clear."""
    one, other = pair
    volume = create(one, Encrypted=True, KmsKeyId=key["KeyId"])
    assert volume["Encrypted"] and volume["KmsKeyId"] == key["Arn"]
    plain = create(one)
    assert not plain["Encrypted"] and "KmsKeyId" not in plain
    attach(ec2, one, volume["VolumeId"], "/dev/sdf")
    write_mark(one, volume["VolumeId"])
    snapshot = wait_snapshot(ec2, ec2.create_snapshot(VolumeId=volume["VolumeId"])["SnapshotId"])
    assert snapshot["Encrypted"] and snapshot["KmsKeyId"] == key["Arn"]
    one.ssh(f"echo later | sudo dd of={serial(volume['VolumeId'])} bs=512 count=1 conv=fsync,notrunc 2>/dev/null")
    restored = create(other, SnapshotId=snapshot["SnapshotId"])
    assert restored["Encrypted"] and restored["KmsKeyId"] == key["Arn"]
    attach(ec2, other, restored["VolumeId"], "/dev/sdg")
    assert other.ssh(f"sudo head -n 1 {serial(restored['VolumeId'])}") == MARK + "\n"
    assert one.ssh(f"sudo head -n 1 {serial(volume['VolumeId'])}") == "later\n"
    ec2.modify_volume(VolumeId=volume["VolumeId"], Size=2)
    wait_until("the guest sees it grow", lambda: one.ssh(f"sudo blockdev --getsize64 {serial(volume['VolumeId'])}") == f"{2 << 30}\n",
               SHORT_S)
    secret = key_of(cloud, volume["VolumeId"])
    assert len(secret) == 64 and key_of(cloud, restored["VolumeId"]) == secret
    master = (cloud.home / "keys" / "master.key").read_bytes()
    needles = [MARK.encode(), secret, bytes.fromhex(secret.decode()), master, master.hex().encode(), *through_kms(cloud, key)]
    assert files_with(cloud, needles) == [] and processes_with(needles[1:]) == []
    # The search finds what is there in clear.
    attach(ec2, one, plain["VolumeId"], "/dev/sdh")
    write_mark(one, plain["VolumeId"])
    assert [needle for _, needle in files_with(cloud, needles)] == [MARK.encode()]
    for it in (plain, restored, volume):
        remove(ec2, it["VolumeId"])
    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


def test_chain_of_a_running_guest(cloud, pair, ec2, key, create):
    """Deleted snapshots' layers are merged by the QEMU that has them open, with their key."""
    guest = pair[0]
    volume = create(guest, Encrypted=True, KmsKeyId=key["KeyId"])["VolumeId"]
    attach(ec2, guest, volume, "/dev/sdk")
    made = []
    for n in range(4):
        guest.ssh(f"echo round {n} | sudo dd of={serial(volume)} bs=4k seek={n} count=1 conv=sync,fsync,notrunc 2>/dev/null")
        made.append(wait_snapshot(ec2, ec2.create_snapshot(VolumeId=volume)["SnapshotId"])["SnapshotId"])
    for snapshot in made[1:3]:
        ec2.delete_snapshot(SnapshotId=snapshot)
    wait_until("the deleted ones are merged", lambda: len(cloud.volumes()[volume]["backing"]) == 2, BOOT_S)
    text = guest.ssh(f"sudo sh -c 'for k in 0 1 2 3; do dd if={serial(volume)} bs=4k skip=$k count=1 2>/dev/null | head -n 1; done'")
    assert text.splitlines() == [f"round {n}" for n in range(4)]
    remove(ec2, volume)
    for snapshot in (made[0], made[3]):
        ec2.delete_snapshot(SnapshotId=snapshot)


def test_copies(cloud, pair, ec2, key, create):
    """A plain snapshot encrypted, an encrypted one under another key, and into another region."""
    kms = cloud.client("kms")
    plain = create(pair[0])
    first = wait_snapshot(ec2, ec2.create_snapshot(VolumeId=plain["VolumeId"])["SnapshotId"])
    copy = ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=first["SnapshotId"], Encrypted=True)["SnapshotId"]
    ebs = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    copied = wait_snapshot(ec2, copy)
    assert not first["Encrypted"] and copied["Encrypted"] and copied["KmsKeyId"] == ebs
    again = ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=copy, Encrypted=True, KmsKeyId=key["Arn"])["SnapshotId"]
    assert wait_snapshot(ec2, again)["KmsKeyId"] == key["Arn"]
    far = cloud.client(region="eu-west-1")
    there = far.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=again)["SnapshotId"]
    far_key = wait_snapshot(far, there)["KmsKeyId"]
    assert far_key == cloud.client("kms", region="eu-west-1").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    assert error_of(ec2.copy_snapshot, SourceRegion="us-east-1", SourceSnapshotId=copy, KmsKeyId=key["Arn"])[0] == \
        "InvalidParameterDependency"
    for client, snapshot in ((ec2, first["SnapshotId"]), (ec2, copy), (ec2, again), (far, there)):
        client.delete_snapshot(SnapshotId=snapshot)
    remove(ec2, plain["VolumeId"])


def test_default_encryption(ec2, pair, key, create):
    """On and off by the account, with its own key; what is wrong is refused in AWS's words."""
    assert error_of(ec2.create_volume, AvailabilityZone=zone(pair[0]), Size=1, KmsKeyId=key["Arn"])[0] == "InvalidParameterDependency"
    assert error_of(ec2.create_volume, AvailabilityZone=zone(pair[0]), Size=1, Encrypted=True, KmsKeyId="alias/nobody")[0] == \
        "InvalidKMSKey.NotFound"
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    default = ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    try:
        assert ec2.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
        assert ec2.modify_ebs_default_kms_key_id(KmsKeyId=key["KeyId"])["KmsKeyId"] == key["Arn"]
        volume = create(pair[0])
        assert volume["Encrypted"] and volume["KmsKeyId"] == key["Arn"]
        assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == default != key["Arn"]
        assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    finally:
        ec2.disable_ebs_encryption_by_default()
    remove(ec2, volume["VolumeId"])


@pytest.fixture(scope="module")
def encrypted(cloud, key_file, open_group, key):
    """An instance whose root is encrypted, and its instance store."""
    ec2 = cloud.client()
    answer = ec2.run_instances(
        ImageId=cloud.tiny_image(), InstanceType="m1.small", MinCount=1, MaxCount=1, KeyName="tests",
        SecurityGroupIds=[open_group], BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": key["Arn"]}},
            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}])
    guest = Guest(cloud, answer["Instances"][0]["InstanceId"], key_file)
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    return guest


def test_key_taken_away(encrypted, cloud, ec2, pair, key, create):
    """A disabled key stops new attachments and starts; what is attached goes on."""
    kms = cloud.client("kms")
    assert volume_of(ec2, encrypted.described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])["KmsKeyId"] == key["Arn"]
    assert all(v["key"] for v in cloud.volumes().values() if v["opened_by"] == [encrypted.id]), "the instance store is encrypted too"
    volume = create(encrypted, Encrypted=True, KmsKeyId=key["Arn"])["VolumeId"]
    kms.disable_key(KeyId=key["KeyId"])
    code, _, message = error_of(ec2.attach_volume, VolumeId=volume, InstanceId=encrypted.id, Device="/dev/sdf")
    assert (code, message) == ("CustomerKeyHasBeenRevoked", "The encrypted volume was unable to access the KMS key.")
    assert error_of(ec2.create_volume, AvailabilityZone=zone(encrypted), Size=1, Encrypted=True, KmsKeyId=key["Arn"])[0] == \
        "InvalidKMSKey.InvalidState"
    assert encrypted.ssh("echo still here > f && sync && cat f") == "still here\n"
    ec2.stop_instances(InstanceIds=[encrypted.id], Force=True)
    cloud.wait_state(encrypted.id, "stopped")
    ec2.start_instances(InstanceIds=[encrypted.id])
    wait_until("the start is refused", lambda: encrypted.described["State"]["Name"] == "stopped" and
               encrypted.described.get("StateReason", {}).get("Code") == STATE, SHORT_S)
    kms.enable_key(KeyId=key["KeyId"])
    attach(ec2, pair[0], volume, "/dev/sdf")
    remove(ec2, volume)
    ec2.terminate_instances(InstanceIds=[encrypted.id])
    cloud.wait_state(encrypted.id, "terminated")
