"""The API daemon and storaged, without guests: what schedules and retention do to snapshots."""

import json

from cloud import run, wait_until
from lone_api import PATIENCE_S, LoneApi

WAIT_S = PATIENCE_S


class Pair(LoneApi):
    """An API daemon that has a storaged."""

    def start(self):
        self.launcher("start-one", "storaged")
        super().start()

    def stop(self):
        super().stop()
        self.launcher("stop-one", "storaged")

    def restart(self, **options):
        """The API daemon alone, with other options."""
        super().stop()
        self.configure(**options)
        super().start()

    def storaged(self, path):
        return json.loads(run("curl", "-sS", "--unix-socket", self.run_dir / "storaged.sock", f"http://d{path}").stdout)

    def close(self):
        self.launcher("stop-one", "storaged", check=False)
        super().close()

    def volume(self, **tags):
        ec2 = self.client("ec2")
        made = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}] if tags else [])["VolumeId"]
        wait_until(f"{made} is there", lambda: ec2.describe_volumes(VolumeIds=[made])["Volumes"][0]["State"] == "available", WAIT_S)
        return made

    def snapshot(self, volume, **tags):
        ec2 = self.client("ec2")
        made = ec2.create_snapshot(VolumeId=volume, TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}] if tags else [])["SnapshotId"]
        wait_until(f"{made} is taken", lambda: self.shown(made)[0]["State"] == "completed", WAIT_S)
        return made

    def shown(self, snapshot=None):
        ids = {"Filters": [{"Name": "snapshot-id", "Values": [snapshot]}]} if snapshot else {}
        return self.client("ec2").describe_snapshots(OwnerIds=["self"], **ids)["Snapshots"]
