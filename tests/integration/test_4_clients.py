"""Each action of networks and disks by boto3, with its waiters and paginators, against botocore's model of the answers. By the AWS
CLI and by Terraform as well: `make clients`."""

import pathlib
import sys

import botocore.exceptions
import pytest
from botocore import xform_name

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "clients"))

import disks  # noqa: E402  (the path above)
import dlm  # noqa: E402
import ebs  # noqa: E402
import kms  # noqa: E402
import network  # noqa: E402
import rbin  # noqa: E402
import shape  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402
import wire  # noqa: E402

PARTS = (network, disks, ebs, kms, rbin, dlm)
REGION = "us-west-2"  # where no other test has anything


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_table_is_whole(part):
    """A new action needs a scene and a word about Terraform."""
    assert not table.gaps(part)


def test_words_of_the_cli():
    call, wait = steps.service("ec2")
    rows = [
        (call("CreateVpc", {"CidrBlock": "10.0.0.0/16"}), "create-vpc --cidr-block 10.0.0.0/16"),
        (call("DescribeVpcs", {"Filters": network.filters(tag__Name="a", vpc_id="vpc-1")}),
         "describe-vpcs --filters Name=tag:Name,Values=a Name=vpc-id,Values=vpc-1"),
        (call("CreateSubnet", {"TagSpecifications": network.tags("subnet", "a")}),
         "create-subnet --tag-specifications ResourceType=subnet,Tags=[{Key=Name,Value=a},{Key=walk,Value=yes}]"),
        (call("DeleteNetworkAclEntry", {"Egress": False}), "delete-network-acl-entry --ingress"),
        (call("CreateTags", {"Tags": [{"Key": "a", "Value": "b c"}]}), 'create-tags --tags [{"Key": "a", "Value": "b c"}]'),
        (wait("vpc_available", {"VpcIds": ["a", "b"]}), "wait vpc-available --vpc-ids a b"),
    ]
    for step, words in rows:
        assert " ".join(steps.words(step)) == "ec2 " + words


ANSWER = ('<DescribeVpcsResponse xmlns="x"><requestId>1</requestId><vpcSet><item><vpcId>vpc-1</vpcId>{}<state>{}</state></item></vpcSet>'
          '</DescribeVpcsResponse>')


@pytest.mark.parametrize("more, state, wrong", [
    ("<isDefault>true</isDefault>", "available", []),
    ("<isDefault>yes</isDefault>", "available", ["Vpcs[].IsDefault: 'yes' is no boolean"]),
    ("<isDefault>true</isDefault>", "there", ["Vpcs[].State: 'there' is none of ['pending', 'available']"]),
    ("<isdefault>true</isdefault>", "available", ["Vpcs[]: the model's Vpc has no isdefault", "Vpcs[]: Vpc has no IsDefault"]),
])
def test_what_a_complaint_is(more, state, wrong):
    """The check itself finds what it is there for."""
    call = wire.Call("boto3", "ec2", "DescribeVpcs", 200, "text/xml", ANSWER.format(more, state).encode())
    assert shape.check(call, {"Vpc": ["VpcId", "IsDefault"]}) == wrong


def error_of_or(call, **params):
    """The error's code, or the answer."""
    try:
        return call(**params)
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"]


NOTHING = "no value is like this"


@pytest.mark.parametrize("part", (network, disks), ids=lambda part: part.__name__)
def test_documented_filters(cloud, part):
    """Every filter that AWS documents for an action is there, and filters."""
    client = cloud.client(part.SERVICE)
    wanted = {action for service, action in table.actions_of(part.ROOMS) if service == part.SERVICE} | set(part.FILTERED)
    documented = table.documented_filters(part.SERVICE)
    assert wanted & set(documented)
    for action in sorted(wanted & set(documented)):
        member, names = documented[action]
        params = {k: fill_in(client) for k, fill_in in part.FILTER_PARAMS.get(action, {}).items()}
        refused = part.REFUSED_FILTERS.get(action, {})
        for name in names:
            answer = error_of_or(getattr(client, xform_name(action)), **params, **{member: [{"Name": name, "Values": [NOTHING]}]})
            assert (answer == "InvalidParameterValue") == (name in refused), (action, name, answer)
            lists = [v for v in answer.values() if isinstance(v, list)] if isinstance(answer, dict) else []
            assert not any(lists), (action, name, answer)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_walk(cloud, part):
    """All scenes but those with a guest; nobody else is heard."""
    recorder = wire.Recorder(cloud.endpoint)
    actor = steps.Boto3(cloud, recorder.endpoint, REGION, steps.DEBIAN_PYTHON)
    try:
        unknown, names = set(), table.names_of(part, cloud)
        for name, scene in part.SCENES.items():
            if name not in part.GUESTS:
                unknown |= steps.play(actor, scene, dict(names))
        heard, wrong = recorder.heard(part.SERVICE), recorder.complaints(part.PRESENT)
    finally:
        actor.close()
        recorder.close()
    assert not wrong, "\n".join(wrong)
    assert unknown <= part.NEWER
    wanted = {step.action for name, scene in part.SCENES.items() if name not in part.GUESTS for step in scene
              if step.do == "call" and not step.fails and step.service == part.SERVICE}
    assert {action for action in wanted - unknown if not heard[action]["boto3"]} == set()
