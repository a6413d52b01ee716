#!/usr/bin/python3
"""Kill each daemon at its numbered crash points while an instance lives its life.

usage: tests/integration/crash/matrix.py [--stride N] [--offset N] [--daemon NAME]...

Needs `make crash-build`. For every point of a daemon (every N-th with --stride) one life is run:
launched with a client token, a rule authorized and revoked, stopped, started, rebooted,
terminated; the daemon dies by SIGKILL at that point and is started again. Afterwards there must
have been exactly one instance, and nothing of it may be left in any room. Run inside namespaces,
as tests/run does. Ends with "N passed, N failed".
"""

import argparse
import os
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import botocore.exceptions  # noqa: E402
from cloud import ROOT, Cloud, wait_until  # noqa: E402

DAEMONS = ["api", "storaged", "netd", "hypervisor"]
LIFE_S = 120
RETRIED = {"Unavailable", "InternalError", "503", "500"}


class CrashCloud(Cloud):
    """A cloud of the daemons that have the crash points compiled in."""

    def __init__(self):
        super().__init__()
        self.arms = self.directory / "arms"
        self.arms.mkdir()
        self.arms.chmod(0o777)
        os.environ["MINICLOUD_CRASH_DIR"] = str(self.arms)

    def launcher(self, command, *arguments, check=True):
        words = [ROOT / "deploy" / "launcher", command, *arguments, "--home", self.home, "--run", self.run,
                 "--bin", ROOT / "build-crash", "--private-libvirtd"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False,
                              stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def arm(self, daemon, number):
        path = self.arms / f"minicloud-{daemon}"
        path.write_text(f"{number}\n", encoding="ascii")
        path.chmod(0o666)

    def armed(self, daemon):
        return (self.arms / f"minicloud-{daemon}").exists()

    def disarm(self, daemon):
        (self.arms / f"minicloud-{daemon}").unlink(missing_ok=True)


class Nurse(threading.Thread):
    """Starts the daemon again whenever it is dead."""

    def __init__(self, cloud, daemon):
        super().__init__(daemon=True)
        self.cloud, self.name_, self.ended = cloud, daemon, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            if self.cloud.launcher("pid", self.name_, check=False).returncode != 0:
                self.cloud.launcher("start-one", self.name_, check=False)

    def end(self):
        self.ended.set()
        self.join()


def insist(call, **keywords):
    """What a client does: try again while the service is unavailable."""
    deadline = time.monotonic() + LIFE_S
    while True:
        try:
            return call(**keywords)
        except botocore.exceptions.ClientError as e:
            if e.response["Error"]["Code"] not in RETRIED or time.monotonic() > deadline:
                raise
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, OSError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def state_of(ec2, instance):
    answer = insist(ec2.describe_instances, InstanceIds=[instance])
    return answer["Reservations"][0]["Instances"][0]["State"]["Name"]


def reach(ec2, instance, state):
    wait_until(f"{instance} {state}", lambda: state_of(ec2, instance) == state, LIFE_S)


def change_rules(ec2, group):
    rule = [{"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    for call, known in ((ec2.authorize_security_group_ingress, "InvalidPermission.Duplicate"),
                        (ec2.revoke_security_group_ingress, "InvalidPermission.NotFound")):
        try:
            insist(call, GroupId=group, IpPermissions=rule)
        except botocore.exceptions.ClientError as e:
            if e.response["Error"]["Code"] != known:  # done before the answer was lost
                raise


def live(ec2, image, token):
    """One life. The answer of a launch that was cut off is asked for again by its token."""
    words = {"ImageId": image, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1,
             "ClientToken": token}
    answer = insist(ec2.run_instances, **words)["Instances"][0]
    instance = answer["InstanceId"]
    reach(ec2, instance, "running")
    change_rules(ec2, answer["SecurityGroups"][0]["GroupId"])
    insist(ec2.reboot_instances, InstanceIds=[instance])
    insist(ec2.stop_instances, InstanceIds=[instance], Force=True)
    reach(ec2, instance, "stopped")
    insist(ec2.start_instances, InstanceIds=[instance])
    reach(ec2, instance, "running")
    insist(ec2.stop_instances, InstanceIds=[instance], Force=True)
    insist(ec2.terminate_instances, InstanceIds=[instance])
    reach(ec2, instance, "terminated")
    again = insist(ec2.run_instances, **words)["Instances"]
    assert [i["InstanceId"] for i in again] == [instance], "one token made two instances"


def nothing_left(cloud, ec2):
    """Every room has given back what it had."""
    def clean():
        domains = cloud.socket_call("hypervisor", "GET", "/v1/instances")[1]["instances"]
        volumes = cloud.socket_call("storaged", "GET", "/v1/volumes")[1]["volumes"]
        vpcs = cloud.socket_call("netd", "GET", "/v1/vpcs")[1]["vpcs"]
        taps = [n for n in os.listdir("/sys/class/net") if n.startswith("mt")]
        files = [p.name for p in (cloud.home / "store").iterdir()]
        return not (domains or volumes or taps or any(v["active"] for v in vpcs) or len(files) != 1)
    wait_until("nothing left", clean, 30)
    assert insist(ec2.describe_volumes)["Volumes"] == []


def one_point(cloud, ec2, image, daemon, number):
    """None when the point was passed in good order; "end" when there is no such point; else what went wrong."""
    nurse = Nurse(cloud, daemon)
    nurse.start()
    try:
        cloud.arm(daemon, number)
        live(ec2, image, f"{daemon}-{number}")
        reached = not cloud.armed(daemon)
        cloud.disarm(daemon)
        nothing_left(cloud, ec2)
        return None if reached else "end"
    except (AssertionError, TimeoutError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError,
            OSError) as e:
        return f"{type(e).__name__}: {e}"
    finally:
        cloud.disarm(daemon)
        nurse.end()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--offset", type=int, default=1)
    parser.add_argument("--daemon", action="append", choices=DAEMONS)
    options = parser.parse_args()
    cloud = CrashCloud()
    passed, failed = 0, 0
    cloud.start()
    try:
        ec2, image = cloud.client(), cloud.tiny_image()
        for daemon in options.daemon or DAEMONS:
            number = options.offset
            while True:
                trouble = one_point(cloud, ec2, image, daemon, number)
                if trouble == "end":
                    break
                passed, failed = passed + (trouble is None), failed + (trouble is not None)
                print(f"{daemon} point {number}: {trouble or 'ok'}", flush=True)
                if trouble:
                    print(cloud.logs(), flush=True)
                    break
                number += options.stride
    finally:
        cloud.purge()
        cloud.forget()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
