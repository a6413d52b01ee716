"""What real instances do, as CloudWatch and Prometheus say it."""

import datetime
import http.client
import re
import socket

from cloud import BOOT_S, SHORT_S, wait_until

WRITTEN = 40 * 65536
SENT = 400000


def scrape(cloud):
    """/metrics, as text; a new look is taken for who comes next."""
    connection = http.client.HTTPConnection("d", timeout=SHORT_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(SHORT_S)
    connection.sock.connect(str(cloud.run / "minicloud.sock"))
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


class Watch:
    """CloudWatch's values of the last hour before it and of all since."""

    def __init__(self, cloud):
        self.cloud, self.client = cloud, cloud.client("cloudwatch")
        self.begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=60)

    def read(self, space, name, statistic="Sum", **dimensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        (result,) = self.client.get_metric_data(
            StartTime=self.begin, EndTime=now + datetime.timedelta(minutes=5), MetricDataQueries=[
                {"Id": "m", "MetricStat": {"Period": 60, "Stat": statistic, "Metric": {
                    "Namespace": space, "MetricName": name, "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()]}}}])[
                        "MetricDataResults"]
        return result["Values"]

    def until(self, what, at_least, space, name, **dimensions):
        """New looks until the sum has grown to this."""
        def enough():
            scrape(self.cloud)
            return sum(self.read(space, name, **dimensions)) >= at_least
        wait_until(what, enough, BOOT_S)


def test_figures_of_a_guest(cloud, pair):
    guest, watch = pair[0], Watch(cloud)
    instance = {"InstanceId": guest.id}
    shown = cloud.client().describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]
    volume = {"VolumeId": shown["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]}
    watch.until("two looks were taken", 1e-9, "AWS/EC2", "CPUUtilization", **instance)
    before = {n: sum(watch.read("AWS/EC2", n, **instance)) for n in ("NetworkOut", "NetworkPacketsOut", "DiskWriteBytes", "DiskWriteOps")}
    on_volume = sum(watch.read("AWS/EBS", "VolumeWriteBytes", **volume))
    guest.ssh("dd if=/dev/urandom of=figures bs=65536 count=40 conv=fsync 2>/dev/null && rm figures")
    guest.ssh(f"head -c {SENT} /dev/zero")
    watch.until("what was sent is seen", before["NetworkOut"] + SENT, "AWS/EC2", "NetworkOut", **instance)
    watch.until("its packets are", before["NetworkPacketsOut"] + SENT / 9001, "AWS/EC2", "NetworkPacketsOut", **instance)
    watch.until("what was written is", before["DiskWriteBytes"] + WRITTEN, "AWS/EC2", "DiskWriteBytes", **instance)
    watch.until("and of the volume", on_volume + WRITTEN, "AWS/EBS", "VolumeWriteBytes", **volume)
    assert sum(watch.read("AWS/EC2", "DiskWriteOps", **instance)) > before["DiskWriteOps"]
    shares = watch.read("AWS/EC2", "CPUUtilization", "Maximum", **instance)
    assert 0 < max(shares) <= 100
    # The newest: other tests let it wait for its disk.
    wait_until("it is well", lambda: scrape(cloud) and watch.read("AWS/EC2", "StatusCheckFailed", "Maximum", **instance)[0] == 0, BOOT_S)
    assert sum(watch.read("AWS/EC2", "CPUCreditUsage", **instance)) > 0
    assert max(watch.read("AWS/EBS", "VolumeTotalWriteTime", **volume)) > 0
    assert max(watch.read("AWS/EBS", "VolumeQueueLength", "Maximum", **volume)) > 0
    assert max(watch.read("AWS/EBS", "VolumeWriteOps", **volume)) > 0


def test_what_there_is(cloud, pair):
    client = cloud.client("cloudwatch")
    names = {m["MetricName"] for m in client.list_metrics(Namespace="AWS/EC2", Dimensions=[{"Name": "InstanceId", "Value": pair[0].id}])["Metrics"]}
    assert names >= {"CPUUtilization", "NetworkIn", "NetworkOut", "NetworkPacketsIn", "NetworkPacketsOut", "DiskReadBytes", "DiskWriteBytes",
                     "DiskReadOps", "DiskWriteOps", "EBSReadBytes", "EBSWriteBytes", "EBSReadOps", "EBSWriteOps", "StatusCheckFailed",
                     "StatusCheckFailed_Instance", "StatusCheckFailed_System", "CPUCreditUsage", "CPUCreditBalance",
                     "CPUSurplusCreditBalance", "CPUSurplusCreditsCharged"}

    def charges():
        scrape(cloud)
        return [{d["Name"]: d["Value"] for d in m["Dimensions"]} for m in client.list_metrics(Namespace="AWS/Billing")["Metrics"]]
    wait_until("charges are there", lambda: {"Currency": "USD", "ServiceName": "AmazonEC2"} in charges(), 2 * BOOT_S)  # every minute
    assert {"Currency": "USD"} in charges()
    watch = Watch(cloud)

    def a_part():
        """A month that ends between the two is the exception."""
        of_ec2 = watch.read("AWS/Billing", "EstimatedCharges", "Maximum", Currency="USD", ServiceName="AmazonEC2")[0]
        return 0 < of_ec2 <= watch.read("AWS/Billing", "EstimatedCharges", "Maximum", Currency="USD")[0]
    wait_until("what EC2 costs is a part of it", a_part, BOOT_S)


def test_prometheus(cloud, pair):
    def seen(text):
        heard = r'^minicloud_instance_network_bytes_total\{{instance="{}",direction="in"\}} [1-9]'
        return all(re.search(heard.format(g.id), text, re.M) for g in pair) and text
    text = wait_until("both were looked at, and have heard something", lambda: seen(scrape(cloud)), 4 * BOOT_S)
    for guest in pair:
        def value(name, labels="", guest=guest):
            return float(re.search(rf'^{name}{{instance="{guest.id}"{labels}}} ([\d.]+)$', text, re.M)[1])
        assert value("minicloud_instance_cpu_seconds_total") > 0 and value("minicloud_instance_vcpus") == 2
        assert value("minicloud_instance_network_bytes_total", ',direction="in"') > 0
        assert value("minicloud_instance_disk_bytes_total", ',direction="read"') > 0
        assert value("minicloud_instance_status_check_failed", ',check="system"') == 0
        assert value("minicloud_instance_cost_per_hour", ',currency="USD"') >= 0.0052
        assert value("minicloud_instance_cost_month", ',currency="USD"') > 0
    names = [line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")]
    typed = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert set(names) <= set(typed) and len(typed) == len(set(typed)), "each metric has its type, once"
    assert typed == re.findall(r"^# HELP (\S+) \S", text, re.M), "and is explained"
    blocks = [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]
    assert len(blocks) == len(set(blocks)), "a metric's lines are together"
