"""Bills of real instances."""

import decimal
import json
import re

D = decimal.Decimal


def test_instances_that_run_are_billed(cloud, pair):
    bill = json.loads(cloud.minicloud("bill", "--by", "resource", "--output", "json").stdout)
    costs = {g["key"]: g for g in bill["groups"]}
    for guest in pair:
        # A minute of a t3.nano at least, at its rate while it runs.
        assert D(costs[guest.id]["cost"]) >= D("0.0052") / 60 - D("0.000000001")
        assert costs[guest.id]["open"] and D(costs[guest.id]["rate"]) == D("0.0052")
    assert sum(D(g["cost"]) for g in bill["groups"]) == D(bill["total"])


def test_estimate_launches_nothing(cloud, pair):  # pylint: disable=unused-argument
    def count():
        return len([i for r in cloud.client().describe_instances()["Reservations"] for i in r["Instances"]])
    before = count()
    text = cloud.minicloud("run-instances", "--image-id", cloud.tiny_image(), "--instance-type", "m5.large", "--count", "2", "--estimate",
                           "--output", "json").stdout
    estimate = json.loads(text)
    boxes = [line for line in estimate["lines"] if line["usage_type"] == "BoxUsage:m5.large"]
    assert len(boxes) == 2 and {line["hour"] for line in boxes} == {"0.096000000"} and boxes[0]["month"] == "70.080000000"
    assert {line["kind"] for line in estimate["lines"]} >= {"instance", "volume"}
    assert count() == before
    refused = cloud.minicloud("run-instances", "--image-id", "ami-0123456789abcdef0", "--instance-type", "m5.large", "--estimate", check=False)
    assert refused.returncode != 0 and re.search(r"does not exist", refused.stderr)
