"""EC2's actions for volumes, snapshots, images, their imports and exports, and key pairs: scenes, Terraform's resources, and
what AWS's answers always have."""

import os
import shutil

from steps import service

SERVICE = "ec2"
ROOMS = ("volume", "attachment", "modification", "encryption", "snapshot", "snapshot_attribute", "image", "image_attribute",
         "image_make", "public_access", "transfer", "key_pair", "rbin")

call, wait = service(SERVICE)
kms, _ = service("kms")
rbin, _ = service("rbin")
OTHER = "210987654321"
VOLUME, SNAPSHOT, IMAGE = {"VolumeId": "$volume"}, {"SnapshotId": "$snapshot"}, {"ImageId": "$image"}
TAGS = [{"Key": "Name", "Value": "walk disks"}]


def tags(*kinds):
    return [{"ResourceType": kind, "Tags": TAGS} for kind in kinds]


def named(name, *values):
    return [{"Name": name, "Values": list(values)}]


ZONE = [call("DescribeAvailabilityZones", zone="AvailabilityZones[0].ZoneName", region="AvailabilityZones[0].RegionName")]
TINY = [call("DescribeImages", {"Owners": ["amazon"], "Filters": named("name", "minicloud-tiny*")}, image="Images[0].ImageId")]


def volume(name="volume", **more):
    return [call("CreateVolume", {"AvailabilityZone": "$zone", "Size": 1, **more}, **{name: "VolumeId"}),
            wait("volume_available", {"VolumeIds": [f"${name}"]})]


def snapshot(name="snapshot", of="volume"):
    return [call("CreateSnapshot", {"VolumeId": f"${of}"}, **{name: "SnapshotId"}), wait("snapshot_completed", {"SnapshotIds": [f"${name}"]})]


def image(name, snapshot_name="snapshot"):
    """Of a volume's snapshot. Names of images are an account's in a region."""
    return [call("RegisterImage", {"Name": name, "Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": "/dev/xvda",
                                   "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": f"${snapshot_name}"}}]},
                 image="ImageId"),
            wait("image_available", {"ImageIds": ["$image"]})]


NO_VOLUME, NO_SNAPSHOT = call("DeleteVolume", VOLUME), call("DeleteSnapshot", SNAPSHOT)

VOLUMES = [
    *ZONE,
    call("CreateVolume", {"AvailabilityZone": "$zone", "Size": 1, "VolumeType": "gp3", "Iops": 3000, "TagSpecifications": tags("volume")},
         volume="VolumeId", see={"Size": 1, "Iops": 3000, "Tags": TAGS}),
    wait("volume_available", {"VolumeIds": ["$volume"]}),
    call("DescribeVolumes", {"VolumeIds": ["$volume"]}, see={"Volumes[0].State": "available"}, query="Volumes[].[VolumeId,Size]"),
    call("DescribeVolumes", {"Filters": named("tag:Name", "walk disks")}, see={"Volumes[].VolumeId": ["$volume"]}, page=5),
    call("DescribeVolumeStatus", {"VolumeIds": ["$volume"]}, until={"VolumeStatuses[0].VolumeStatus.Status": "ok"},
         query="VolumeStatuses[].VolumeStatus.Details[]"),
    call("DescribeVolumeStatus", {"Filters": named("volume-status.status", "ok", "insufficient-data")}, page=5),
    call("ModifyVolumeAttribute", {**VOLUME, "AutoEnableIO": {"Value": True}}),
    call("DescribeVolumeAttribute", {**VOLUME, "Attribute": "autoEnableIO"}, see={"AutoEnableIO.Value": True}),
    call("DescribeVolumeAttribute", {**VOLUME, "Attribute": "productCodes"}, see={"ProductCodes": []}),
    call("EnableVolumeIO", VOLUME),
    call("ModifyVolume", {**VOLUME, "Size": 2, "Throughput": 200}, see={"VolumeModification.TargetSize": 2}),
    call("DescribeVolumesModifications", {"VolumeIds": ["$volume"]}, until={"VolumesModifications[0].ModificationState": "completed"},
         query="VolumesModifications[].[OriginalSize,TargetSize]"),
    call("DescribeVolumesModifications", {"Filters": named("target-size", "2")}, page=5),
    call("ModifyVolume", {**VOLUME, "Size": 1}, fails="InvalidParameterValue"),
    call("DescribeVolumes", {"VolumeIds": ["$volume"]}, see={"Volumes[0].[Size,Throughput]": [2, 200]}),
    NO_VOLUME,
    wait("volume_deleted", {"VolumeIds": ["$volume"]}),
    call("DescribeVolumes", {"VolumeIds": ["$volume"]}, fails="InvalidVolume.NotFound"),
]

SNAPSHOTS = [
    *ZONE, *volume(),
    call("CreateSnapshot", {**VOLUME, "Description": "walk", "TagSpecifications": tags("snapshot")}, snapshot="SnapshotId"),
    wait("snapshot_completed", {"SnapshotIds": ["$snapshot"]}),
    call("DescribeSnapshots", {"SnapshotIds": ["$snapshot"]}, see={"Snapshots[0].Progress": "100%", "Snapshots[0].Tags": TAGS},
         query="Snapshots[].[VolumeSize,State]"),
    call("DescribeSnapshots", {"OwnerIds": ["self"]}, page=5),
    call("ModifySnapshotAttribute", {**SNAPSHOT, "Attribute": "createVolumePermission", "OperationType": "add", "UserIds": [OTHER]}),
    call("DescribeSnapshotAttribute", {**SNAPSHOT, "Attribute": "createVolumePermission"}, see={"CreateVolumePermissions": [{"UserId": OTHER}]}),
    call("ResetSnapshotAttribute", {**SNAPSHOT, "Attribute": "createVolumePermission"}),
    call("DescribeSnapshotAttribute", {**SNAPSHOT, "Attribute": "createVolumePermission"}, see={"CreateVolumePermissions": []}),
    call("CopySnapshot", {"SourceRegion": "$region", "SourceSnapshotId": "$snapshot", "Description": "copy"}, copy="SnapshotId"),
    wait("snapshot_completed", {"SnapshotIds": ["$copy"]}),
    call("CreateVolume", {"AvailabilityZone": "$zone", "SnapshotId": "$copy", "Size": 2}, more="VolumeId"),
    wait("volume_available", {"VolumeIds": ["$more"]}),
    call("DeleteVolume", {"VolumeId": "$more"}),
    call("DeleteSnapshot", {"SnapshotId": "$copy"}),
    NO_SNAPSHOT, NO_VOLUME,
    call("DescribeSnapshots", {"SnapshotIds": ["$snapshot"]}, fails="InvalidSnapshot.NotFound"),
]

RULE = {"RetentionPeriod": {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}}
BIN = [
    *ZONE, *volume(), *snapshot(), *snapshot("root"), *image("walk bin", "root"),
    rbin("CreateRule", {**RULE, "ResourceType": "EBS_SNAPSHOT", "ResourceTags": [{"ResourceTagKey": "walk-bin"}]}, snapshots="Identifier"),
    rbin("CreateRule", {**RULE, "ResourceType": "EC2_IMAGE", "ResourceTags": [{"ResourceTagKey": "walk-bin"}]}, images="Identifier"),
    call("CreateTags", {"Resources": ["$snapshot", "$image"], "Tags": [{"Key": "walk-bin", "Value": ""}]}),
    NO_SNAPSHOT,
    call("ListSnapshotsInRecycleBin", {"SnapshotIds": ["$snapshot"]}, see={"Snapshots[].VolumeId": ["$volume"]}, query="Snapshots[].SnapshotId"),
    call("RestoreSnapshotFromRecycleBin", SNAPSHOT, see={"State": "completed"}),
    call("DeregisterImage", IMAGE),
    call("ListImagesInRecycleBin", {"ImageIds": ["$image"]}, see={"Images[].Name": ["walk bin"]}, query="Images[].ImageId"),
    call("RestoreImageFromRecycleBin", IMAGE, see={"Return": True}),
    rbin("DeleteRule", {"Identifier": "$snapshots"}), rbin("DeleteRule", {"Identifier": "$images"}),
    call("DeregisterImage", IMAGE), call("DeleteSnapshot", {"SnapshotId": "$root"}), NO_SNAPSHOT, NO_VOLUME,
]

ENCRYPTION = [
    *ZONE,
    call("GetEbsEncryptionByDefault", see={"EbsEncryptionByDefault": False}),
    call("EnableEbsEncryptionByDefault", see={"EbsEncryptionByDefault": True}),
    kms("CreateKey", key="KeyMetadata.KeyId", arn="KeyMetadata.Arn"),
    call("ModifyEbsDefaultKmsKeyId", {"KmsKeyId": "$key"}, see={"KmsKeyId": "$arn"}),
    call("GetEbsDefaultKmsKeyId", see={"KmsKeyId": "$arn"}),
    call("CreateVolume", {"AvailabilityZone": "$zone", "Size": 1}, volume="VolumeId", see={"Encrypted": True, "KmsKeyId": "$arn"}),
    wait("volume_available", {"VolumeIds": ["$volume"]}),
    NO_VOLUME,
    call("ResetEbsDefaultKmsKeyId"),
    call("DisableEbsEncryptionByDefault", see={"EbsEncryptionByDefault": False}),
    kms("ScheduleKeyDeletion", {"KeyId": "$key", "PendingWindowInDays": 7}),
]

PUBLIC = [
    call("EnableImageBlockPublicAccess", {"ImageBlockPublicAccessState": "block-new-sharing"}),
    call("GetImageBlockPublicAccessState", see={"ImageBlockPublicAccessState": "block-new-sharing"}),
    call("DisableImageBlockPublicAccess", see={"ImageBlockPublicAccessState": "unblocked"}),
    call("EnableSnapshotBlockPublicAccess", {"State": "block-all-sharing"}, see={"State": "block-all-sharing"}),
    call("GetSnapshotBlockPublicAccessState", see={"State": "block-all-sharing"}),
    call("DisableSnapshotBlockPublicAccess", see={"State": "unblocked"}),
]

IMAGES = [
    *ZONE, *volume(), *snapshot(), *image("walk image"),
    wait("image_exists", {"ImageIds": ["$image"]}),
    call("DescribeImages", {"ImageIds": ["$image"]}, see={"Images[0].Name": "walk image"}, query="Images[].BlockDeviceMappings[].Ebs.SnapshotId"),
    call("DescribeImages", {"Owners": ["self"], "Filters": named("name", "walk im*")}, see={"Images[].ImageId": ["$image"]}, page=5),
    call("ModifyImageAttribute", {**IMAGE, "Attribute": "launchPermission", "OperationType": "add", "UserIds": [OTHER]}),
    call("ModifyImageAttribute", {**IMAGE, "Description": {"Value": "walked"}}),
    call("DescribeImageAttribute", {**IMAGE, "Attribute": "launchPermission"}, see={"LaunchPermissions": [{"UserId": OTHER}]}),
    call("DescribeImageAttribute", {**IMAGE, "Attribute": "description"}, see={"Description.Value": "walked"}),
    call("ResetImageAttribute", {**IMAGE, "Attribute": "launchPermission"}),
    call("EnableImageDeprecation", {**IMAGE, "DeprecateAt": "2036-01-01T00:00:00Z"}, see={"Return": True}),
    call("DescribeImages", {"ImageIds": ["$image"]}, see={"Images[0].DeprecationTime": "2036-01-01T00:00:00.000Z"}),
    call("DisableImageDeprecation", IMAGE, see={"Return": True}),
    call("CopyImage", {"Name": "walk copy", "SourceRegion": "$region", "SourceImageId": "$image"}, copy="ImageId"),
    wait("image_available", {"ImageIds": ["$copy"]}),
    call("DescribeImages", {"ImageIds": ["$copy"]}, theirs="Images[0].BlockDeviceMappings[0].Ebs.SnapshotId"),
    call("DeregisterImage", {"ImageId": "$copy"}), call("DeleteSnapshot", {"SnapshotId": "$theirs"}),
    call("DeleteSnapshot", SNAPSHOT, fails="InvalidSnapshot.InUse"),
    call("DeregisterImage", IMAGE), NO_SNAPSHOT, NO_VOLUME,
    call("DescribeImages", {"ImageIds": ["$image"]}, fails="InvalidAMIID.NotFound"),
]

IMAGE_STATES = [
    *ZONE, *volume(), *snapshot(), *image("walk states"),
    call("EnableImageDeregistrationProtection", IMAGE),
    call("DeregisterImage", IMAGE, fails="OperationNotPermitted"),
    call("DisableImageDeregistrationProtection", IMAGE),
    call("DisableImage", IMAGE, see={"Return": True}),
    call("DescribeImages", {"ImageIds": ["$image"], "IncludeDisabled": True}, see={"Images[0].State": "disabled"}),
    call("EnableImage", IMAGE, see={"Return": True}),
    call("DeregisterImage", IMAGE), NO_SNAPSHOT, NO_VOLUME,
]

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBuZ3Q2pmgwhtNcVEnQ5t6hXZ4D1b5G0c4yD2rSXkYwq walk"
KEYS = [
    call("CreateKeyPair", {"KeyName": "walk", "KeyType": "ed25519", "TagSpecifications": tags("key-pair")}, pair="KeyPairId"),
    wait("key_pair_exists", {"KeyNames": ["walk"]}),
    call("DescribeKeyPairs", {"KeyNames": ["walk"], "IncludePublicKey": True}, see={"KeyPairs[0].KeyPairId": "$pair"},
         query="KeyPairs[].KeyFingerprint"),
    call("CreateKeyPair", {"KeyName": "walk"}, fails="InvalidKeyPair.Duplicate"),
    call("DeleteKeyPair", {"KeyName": "walk"}),
    call("ImportKeyPair", {"KeyName": "walk in", "PublicKeyMaterial": PUBLIC_KEY}, see={"KeyName": "walk in"},
         cli=["--key-name", "walk in", "--public-key-material", "fileb://$file"]),
    call("DescribeKeyPairs", {"Filters": named("key-name", "walk *")}, see={"KeyPairs[].KeyType": ["ed25519"]}),
    call("DeleteKeyPair", {"KeyName": "walk in"}),
    call("DescribeKeyPairs", {"KeyNames": ["walk"]}, fails="InvalidKeyPair.NotFound"),
]

DISK = {"Format": "RAW", "UserBucket": {"S3Bucket": "clients", "S3Key": "disk.raw"}}
TRANSFERS = [
    call("ImportSnapshot", {"Description": "walk", "DiskContainer": DISK}, task="ImportTaskId", see={"SnapshotTaskDetail.Status": "active"}),
    call("DescribeImportSnapshotTasks", {"ImportTaskIds": ["$task"]}, until={"ImportSnapshotTasks[0].SnapshotTaskDetail.Status": "completed"},
         snapshot="ImportSnapshotTasks[0].SnapshotTaskDetail.SnapshotId", query="ImportSnapshotTasks[].SnapshotTaskDetail.Progress"),
    *image("walk import"),
    call("ExportImage", {**IMAGE, "DiskImageFormat": "VMDK", "S3ExportLocation": {"S3Bucket": "clients", "S3Prefix": "out-"}},
         task="ExportImageTaskId", see={"Status": "active"}),
    call("DescribeExportImageTasks", {"ExportImageTaskIds": ["$task"]}, until={"ExportImageTasks[0].Status": "completed"},
         query="ExportImageTasks[].S3ExportLocation"),
    call("CancelExportTask", {"ExportTaskId": "$task"}, fails="IncorrectState"),
    call("DeregisterImage", IMAGE), NO_SNAPSHOT,
    call("ImportImage", {"Description": "walk", "DiskContainers": [DISK]}, task="ImportTaskId", see={"Status": "active"}),
    call("DescribeImportImageTasks", {"ImportTaskIds": ["$task"]}, until={"ImportImageTasks[0].Status": "completed"},
         image="ImportImageTasks[0].ImageId", snapshot="ImportImageTasks[0].SnapshotDetails[0].SnapshotId"),
    call("DescribeImportImageTasks", {"Filters": named("task-state", "completed")}, page=5),
    call("DeregisterImage", IMAGE), NO_SNAPSHOT,
]

# The many disks of an import keep storaged busy, and the export waits behind them.
MANY = [{"Format": "RAW", "UserBucket": {"S3Bucket": "clients", "S3Key": "large.raw"}}] * 16
CANCELS = [
    call("ImportSnapshot", {"DiskContainer": DISK}, task="ImportTaskId"),
    call("DescribeImportSnapshotTasks", {"ImportTaskIds": ["$task"]}, until={"ImportSnapshotTasks[0].SnapshotTaskDetail.Status": "completed"},
         snapshot="ImportSnapshotTasks[0].SnapshotTaskDetail.SnapshotId"),
    *image("walk cancel"),
    call("ImportImage", {"Encrypted": True, "DiskContainers": MANY}, task="ImportTaskId"),
    call("ExportImage", {**IMAGE, "DiskImageFormat": "RAW", "S3ExportLocation": {"S3Bucket": "clients"}}, out="ExportImageTaskId"),
    call("CancelExportTask", {"ExportTaskId": "$out"}),
    call("CancelImportTask", {"ImportTaskId": "$task", "CancelReason": "walk"}, see={"PreviousState": "active", "State": "deleting"}),
    call("DescribeExportImageTasks", {"ExportImageTaskIds": ["$out"]}, until={"ExportImageTasks[0].Status": "deleted"}),
    call("DescribeImportImageTasks", {"ImportTaskIds": ["$task"]}, until={"ImportImageTasks[0].Status": "deleted"}),
    call("DeregisterImage", IMAGE), NO_SNAPSHOT,
]

INSTANCE = {"InstanceId": "$instance"}
ATTACH = [
    *ZONE, *TINY,
    call("RunInstances", {**IMAGE, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1, "Placement": {"AvailabilityZone": "$zone"},
                          "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}}]},
         instance="Instances[0].InstanceId",
         cli=["--image-id", "$image", "--instance-type", "t3.nano", "--count", "1", "--placement", "AvailabilityZone=$zone",
              "--block-device-mappings", "DeviceName=/dev/sdf,Ebs={VolumeSize=1,DeleteOnTermination=true}"]),
    wait("instance_running", {"InstanceIds": ["$instance"]}),
    *volume(),
    call("AttachVolume", {**VOLUME, **INSTANCE, "Device": "/dev/sdh"}, see={"State": "attaching", "Device": "/dev/sdh"}),
    wait("volume_in_use", {"VolumeIds": ["$volume"]}),
    call("DescribeVolumes", {"VolumeIds": ["$volume"]}, until={"Volumes[0].Attachments[0].State": "attached"}),
    call("DeleteVolume", VOLUME, fails="VolumeInUse"),
    call("CreateSnapshots", {"InstanceSpecification": {**INSTANCE, "ExcludeBootVolume": True}, "Description": "walk"},
         a="Snapshots[0].SnapshotId", b="Snapshots[1].SnapshotId"),
    wait("snapshot_completed", {"SnapshotIds": ["$a", "$b"]}),
    call("CreateImage", {**INSTANCE, "Name": "walk instance", "NoReboot": True}, made="ImageId"),
    wait("image_available", {"ImageIds": ["$made"]}),
    call("DescribeImages", {"ImageIds": ["$made"]}, see={"length(Images[0].BlockDeviceMappings)": 3},
         one="Images[0].BlockDeviceMappings[0].Ebs.SnapshotId", two="Images[0].BlockDeviceMappings[1].Ebs.SnapshotId",
         three="Images[0].BlockDeviceMappings[2].Ebs.SnapshotId"),
    call("DetachVolume", VOLUME, see={"State": "detaching"}),
    wait("volume_available", {"VolumeIds": ["$volume"]}),
    call("DetachVolume", VOLUME, fails="IncorrectState"),
    call("TerminateInstances", {"InstanceIds": ["$instance"]}),
    wait("instance_terminated", {"InstanceIds": ["$instance"]}),
    call("DeregisterImage", {"ImageId": "$made"}),
    *(call("DeleteSnapshot", {"SnapshotId": f"${name}"}) for name in ("a", "b", "one", "two", "three")),
    NO_VOLUME,
]

SCENES = {"volumes": VOLUMES, "snapshots": SNAPSHOTS, "bin": BIN, "encryption": ENCRYPTION, "public": PUBLIC, "images": IMAGES,
          "states": IMAGE_STATES, "keys": KEYS, "transfers": TRANSFERS, "cancels": CANCELS, "attach": ATTACH}
# Scenes with a virtual machine, of what Debian's clients have no parameters for, and what has tests of its own without guests.
GUESTS = {"attach", "cancels", "states", "transfers", "bin"}
NEWER = {"DescribeImages", "EnableImageBlockPublicAccess", "GetImageBlockPublicAccessState", "DisableImageBlockPublicAccess",
         "EnableSnapshotBlockPublicAccess", "GetSnapshotBlockPublicAccessState", "DisableSnapshotBlockPublicAccess"}


def prepare(cloud):
    """What the operator lets be imported; the names that scenes begin with."""
    bucket = cloud.home / "exchange" / "clients"
    if not bucket.exists():
        bucket.mkdir(parents=True)
        (bucket / "disk.raw").write_bytes(os.urandom(1 << 20))
        (bucket / "disk.raw").chmod(0o644)
        shutil.chown(bucket, "minicloud-storaged")
        (cloud.own / "walk.pub").write_text(PUBLIC_KEY, encoding="ascii")
    return {"file": str(cloud.own / "walk.pub")}


def prepare_guests(cloud):
    """A disk that takes so long to be imported many times that every client has begun and ended something behind it by then."""
    path, some = cloud.home / "exchange" / "clients" / "large.raw", os.urandom(1 << 20)
    with path.open("wb") as f:
        for _ in range(1024):
            f.write(some)
    path.chmod(0o644)


# What AWS's answers have whatever is asked: the members in all of the examples that the AWS CLI comes with.
PRESENT = {
    "Volume": ["AvailabilityZone", "CreateTime", "Encrypted", "Size", "SnapshotId", "State", "VolumeId", "VolumeType",
               "MultiAttachEnabled"],
    "VolumeAttachment": ["AttachTime", "Device", "InstanceId", "State", "VolumeId"],
    "VolumeStatusItem": ["AvailabilityZone", "VolumeId", "VolumeStatus", "Actions", "Events"],
    "VolumeModification": ["VolumeId", "ModificationState", "TargetSize", "TargetVolumeType", "OriginalSize", "OriginalVolumeType", "Progress",
                           "StartTime"],
    "Snapshot": ["Description", "Encrypted", "OwnerId", "Progress", "SnapshotId", "StartTime", "State", "VolumeId", "VolumeSize"],
    "SnapshotInfo": ["Description", "Encrypted", "VolumeId", "State", "VolumeSize", "StartTime", "Progress", "OwnerId", "SnapshotId"],
    "SnapshotRecycleBinInfo": ["SnapshotId", "RecycleBinEnterTime", "RecycleBinExitTime", "VolumeId"],
    "Image": ["Architecture", "CreationDate", "ImageId", "ImageLocation", "ImageType", "Public", "OwnerId", "PlatformDetails", "UsageOperation",
              "State", "BlockDeviceMappings", "Hypervisor", "Name", "RootDeviceName", "RootDeviceType", "VirtualizationType"],
    "ImageRecycleBinInfo": ["ImageId", "Name", "RecycleBinEnterTime", "RecycleBinExitTime"],
    "KeyPair": ["KeyFingerprint", "KeyMaterial", "KeyName", "KeyPairId"],
    "KeyPairInfo": ["KeyPairId", "KeyFingerprint", "KeyName", "KeyType", "CreateTime"],
    "ImportImageTask": ["ImportTaskId", "Status", "SnapshotDetails"],
    "ImportSnapshotTask": ["ImportTaskId", "SnapshotTaskDetail"],
    "ExportImageTask": ["ExportImageTaskId", "S3ExportLocation", "Status"],
    "CopySnapshotResult": ["SnapshotId"],
    "CopyImageResult": ["ImageId"],
    "CancelImportTaskResult": ["ImportTaskId", "PreviousState", "State"],
    "GetEbsEncryptionByDefaultResult": ["EbsEncryptionByDefault"],
    "GetEbsDefaultKmsKeyIdResult": ["KmsKeyId"],
}

# Which of the provider's resources, data sources (data.) or the provider itself calls it; "-": none does, and why.
NOTHING = "-: the provider has nothing of it"
TERRAFORM = {
    "AttachVolume": "aws_volume_attachment",
    "CancelExportTask": NOTHING,
    "CancelImportTask": "-: the provider waits for the end",
    "CopyImage": "aws_ami_copy",
    "CopySnapshot": "aws_ebs_snapshot_copy",
    "CreateImage": "aws_ami_from_instance",
    "CreateKeyPair": "-: the provider imports",
    "CreateSnapshot": "aws_ebs_snapshot",
    "CreateSnapshots": NOTHING,
    "CreateVolume": "aws_ebs_volume",
    "DeleteKeyPair": "aws_key_pair",
    "DeleteSnapshot": "aws_ebs_snapshot",
    "DeleteVolume": "aws_ebs_volume",
    "DeregisterImage": "aws_ami",
    "DescribeExportImageTasks": NOTHING,
    "DescribeImageAttribute": "aws_ami_launch_permission",
    "DescribeImages": "aws_ami, data.aws_ami, data.aws_ami_ids",
    "DescribeImportImageTasks": NOTHING,
    "DescribeImportSnapshotTasks": "aws_ebs_snapshot_import",
    "DescribeKeyPairs": "aws_key_pair, data.aws_key_pair",
    "DescribeSnapshotAttribute": "aws_snapshot_create_volume_permission",
    "DescribeSnapshots": "aws_ebs_snapshot, data.aws_ebs_snapshot_ids",
    "DescribeVolumeAttribute": NOTHING,
    "DescribeVolumeStatus": NOTHING,
    "DescribeVolumes": "aws_ebs_volume, data.aws_ebs_volumes",
    "DescribeVolumesModifications": "aws_instance, with another root_block_device",
    "DetachVolume": "aws_volume_attachment",
    "DisableEbsEncryptionByDefault": "aws_ebs_encryption_by_default",
    "DisableImage": NOTHING,
    "DisableImageBlockPublicAccess": "aws_ec2_image_block_public_access, unblocked",
    "DisableImageDeprecation": "aws_ami, without deprecation_time any more",
    "DisableImageDeregistrationProtection": NOTHING,
    "DisableSnapshotBlockPublicAccess": "aws_ebs_snapshot_block_public_access",
    "EnableEbsEncryptionByDefault": "aws_ebs_encryption_by_default",
    "EnableImage": NOTHING,
    "EnableImageBlockPublicAccess": "aws_ec2_image_block_public_access",
    "EnableImageDeprecation": "aws_ami, with deprecation_time",
    "EnableImageDeregistrationProtection": NOTHING,
    "EnableSnapshotBlockPublicAccess": "aws_ebs_snapshot_block_public_access",
    "EnableVolumeIO": NOTHING,
    "ExportImage": NOTHING,
    "GetEbsDefaultKmsKeyId": "aws_ebs_default_kms_key",
    "GetEbsEncryptionByDefault": "aws_ebs_encryption_by_default",
    "GetImageBlockPublicAccessState": "aws_ec2_image_block_public_access",
    "GetSnapshotBlockPublicAccessState": "aws_ebs_snapshot_block_public_access",
    "ImportImage": NOTHING,
    "ImportKeyPair": "aws_key_pair",
    "ImportSnapshot": "aws_ebs_snapshot_import",
    "ListImagesInRecycleBin": NOTHING,
    "ListSnapshotsInRecycleBin": NOTHING,
    "ModifyEbsDefaultKmsKeyId": "aws_ebs_default_kms_key",
    "ModifyImageAttribute": "aws_ami_launch_permission",
    "ModifySnapshotAttribute": "aws_snapshot_create_volume_permission",
    "ModifyVolume": "aws_ebs_volume, changed",
    "ModifyVolumeAttribute": NOTHING,
    "RegisterImage": "aws_ami",
    "ResetEbsDefaultKmsKeyId": "aws_ebs_default_kms_key",
    "ResetImageAttribute": "-: the provider takes permissions away one by one",
    "ResetSnapshotAttribute": "-: the provider takes permissions away one by one",
    "RestoreImageFromRecycleBin": NOTHING,
    "RestoreSnapshotFromRecycleBin": NOTHING,
}
FILTERED, FILTER_PARAMS = [], {}
# Filters of a documentation that this cloud refuses, and why.
REFUSED_FILTERS = {}


def before_terraform(cloud):
    prepare(cloud)


OUTPUTS = {"counts": {"volumes": 1, "snapshots": 1, "images": 3}}
# What is taken out of Terraform's state and imported again, by the id that the provider documents for it. A key pair is not: the
# provider does not read its public key back, and so makes it anew.
IMPORTED = {
    "aws_ebs_volume.data": lambda it: it["id"],
    "aws_ebs_snapshot.data": lambda it: it["id"],
    "aws_volume_attachment.data": lambda it: f"{it['device_name']}:{it['volume_id']}:{it['instance_id']}",
    "aws_ami_launch_permission.other": lambda it: f"{it['account_id']}/{it['image_id']}",
}
