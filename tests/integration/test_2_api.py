"""The API's own behaviour: who may call, what is refused, names, tags, filters, pages."""

import datetime
import re
import subprocess
import types
import uuid

import botocore.auth
import pytest

from cloud import error_of


# --- who may call

def code_of(text):
    found = re.search("<Code>(.*?)</Code>", text)
    return found and found[1]


def test_wrong_key(cloud):
    stranger = cloud.client(key_id="AKIAIOSFODNN7EXAMPLE")
    assert error_of(stranger.describe_vpcs)[:2] == ("AuthFailure", 401)
    stranger = cloud.client("sts", key_id="AKIAIOSFODNN7EXAMPLE")
    assert error_of(stranger.get_caller_identity)[:2] == ("InvalidClientTokenId", 403)


def test_wrong_signature(cloud):
    forger = cloud.client(secret="x" * 40)
    assert error_of(forger.describe_vpcs)[:2] in [("AuthFailure", 401), ("SignatureDoesNotMatch", 403)]
    forger = cloud.client("sts", secret="x" * 40)
    assert error_of(forger.get_caller_identity)[:2] == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize("minutes", [-20, 20])
def test_stale_date(cloud, monkeypatch, minutes):
    class Stopped(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)
    # The SDK's own signer, not its clients: these may use a signer in C.
    monkeypatch.setattr(botocore.auth, "datetime", types.SimpleNamespace(datetime=Stopped))
    status, text = cloud.raw({"Action": "DescribeVpcs", "Version": "2016-11-15"})
    assert (status, code_of(text)) in [(400, "RequestExpired"), (401, "AuthFailure")]


def test_no_signature(cloud):
    status, text = cloud.plain("POST", "/", b"Action=DescribeVpcs&Version=2016-11-15",
                               {"Content-Type": "application/x-www-form-urlencoded"})
    assert status in (400, 401, 403)
    assert re.search("<Code>(MissingAuthenticationToken|AuthFailure|MissingParameter)</Code>", text)
    assert "172.31" not in text


def test_body_is_signed(cloud):
    """A body that is not the signed one is refused."""
    signed = {}

    class Keep(botocore.auth.SigV4Auth):
        def add_auth(self, request):
            super().add_auth(request)
            signed.update(request.headers.items())
    request = botocore.awsrequest.AWSRequest(
        "POST", cloud.endpoint + "/", {"Content-Type": "application/x-www-form-urlencoded"},
        b"Action=DescribeVpcs&Version=2016-11-15")
    Keep(botocore.credentials.Credentials(cloud.key_id, cloud.secret), "ec2", "us-east-1").add_auth(request)
    status, _ = cloud.plain("POST", "/", b"Action=DescribeVpcs&Version=2016-11-15", signed)
    assert status == 200
    status, text = cloud.plain("POST", "/", b"Action=DescribeTags&Version=2016-11-15", signed)
    assert status in (401, 403) and "<Code>" in text


def test_unknown_region(cloud):
    code, status, _ = error_of(cloud.client(region="mars-north-1").describe_vpcs)
    assert status in (400, 401, 403) and code in ("InvalidRegion", "AuthFailure")


# --- what is refused

def test_unknown_action(cloud):
    status, text = cloud.raw({"Action": "MakeCoffee", "Version": "2016-11-15"})
    assert status == 400
    assert "<Code>InvalidAction</Code>" in text and "MakeCoffee" in text and "<RequestID>" in text


def test_unsupported_operation(ec2):
    code, status, message = error_of(ec2.create_vpn_gateway, Type="ipsec.1")
    assert (code, status) == ("UnsupportedOperation", 400)
    assert "CreateVpnGateway" in message


def test_unknown_parameter(cloud):
    status, text = cloud.raw({"Action": "DescribeVpcs", "Version": "2016-11-15", "Colour": "red"})
    assert status == 400 and "<Code>UnknownParameter</Code>" in text and "Colour" in text


def test_missing_parameter(cloud):
    status, text = cloud.raw({"Action": "RunInstances", "Version": "2016-11-15", "MinCount": "1", "MaxCount": "1"})
    assert status == 400 and "<Code>MissingParameter</Code>" in text and "ImageId" in text


def test_ids(ec2):
    describe = ec2.describe_instances
    assert error_of(describe, InstanceIds=["i-xyz"])[:2] == ("InvalidInstanceID.Malformed", 400)
    assert error_of(describe, InstanceIds=["i-0123456789abcdef0"])[:2] == ("InvalidInstanceID.NotFound", 400)
    assert error_of(ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0"])[0] == "InvalidInstanceID.NotFound"
    assert error_of(ec2.describe_vpcs, VpcIds=["vpc-0123456789abcdef0"])[0] == "InvalidVpcID.NotFound"
    assert error_of(ec2.describe_volumes, VolumeIds=["vol-0123456789abcdef0"])[0] == "InvalidVolume.NotFound"
    assert error_of(ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])[0] == "InvalidAMIID.NotFound"
    assert error_of(ec2.describe_subnets, SubnetIds=["subnet-0123456789abcdef0"])[0] == "InvalidSubnetID.NotFound"


def test_dry_run(cloud, ec2):
    image = cloud.tiny_image()
    assert error_of(ec2.run_instances, ImageId=image, MinCount=1, MaxCount=1, DryRun=True)[:2] == \
        ("DryRunOperation", 412)
    assert error_of(ec2.create_security_group, GroupName="dry", Description="x", DryRun=True)[0] == "DryRunOperation"
    assert not ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["dry"]}])["SecurityGroups"]
    assert error_of(ec2.run_instances, ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, DryRun=True)[0] == "InvalidAMIID.NotFound"


@pytest.mark.parametrize("wrong, code", [
    ({"InstanceType": "t9.enormous"}, "InvalidParameterValue"),
    ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
    ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
    ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
    ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterCombination"),
    ({"MinCount": 0, "MaxCount": 0}, "InvalidParameterValue"),
    ({"UserData": "x" * 20000}, "InvalidParameterValue"),
    ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]},
     "InvalidParameterValue"),
])
def test_bad_launches_leave_nothing(cloud, ec2, wrong, code):
    def shown():
        return {i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    before = shown()
    good = {"ImageId": cloud.tiny_image(), "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1}
    assert error_of(ec2.run_instances, **{**good, **wrong})[0] == code
    assert not shown() - before


@pytest.mark.parametrize("method, path, body, headers", [
    ("GET", "/", None, {}),
    ("POST", "/", b"", {}),
    ("POST", "/", b"\xff\xfe\x00", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("POST", "/", b"%zz=%", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("POST", "/", b"{}", {"Content-Type": "application/x-amz-json-1.1"}),
    ("POST", "/", b"Action=DescribeVpcs&" * 60000, {"Content-Type": "application/x-www-form-urlencoded"}),
    ("DELETE", "/", None, {}),
    ("GET", "/../../etc/passwd", None, {}),
    ("POST", "/", b"x", {"Authorization": "AWS4-HMAC-SHA256 " + "A" * 4000}),
    ("POST", "/", b"x", {"Authorization": "AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=;;;, Signature="}),
], ids=["get", "empty", "binary", "percent", "json", "huge", "delete", "path", "long-header", "empty-credential"])
def test_strange_requests(cloud, method, path, body, headers):
    status, _ = cloud.plain(method, path, body, headers)
    assert 400 <= status < 500
    assert cloud.client().describe_vpcs()["Vpcs"]


# --- key pairs

@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_pairs(cloud, ec2, kind, tmp_path):
    pair = ec2.create_key_pair(KeyName=f"made-{kind}", KeyType=kind)
    path = tmp_path / "key"
    path.write_text(pair["KeyMaterial"], encoding="ascii")
    path.chmod(0o600)
    public = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True).stdout
    assert public.startswith(f"ssh-{kind} ")
    shown = ec2.describe_key_pairs(KeyNames=[f"made-{kind}"], IncludePublicKey=True)["KeyPairs"][0]
    assert shown["KeyType"] == kind and shown["KeyPairId"].startswith("key-")
    assert shown["KeyFingerprint"] == pair["KeyFingerprint"]
    assert shown["PublicKey"].split()[:2] == public.split()[:2]
    assert error_of(ec2.create_key_pair, KeyName=f"made-{kind}")[0] == "InvalidKeyPair.Duplicate"
    imported = ec2.import_key_pair(KeyName=f"imported-{kind}", PublicKeyMaterial=public.encode())
    assert imported["KeyName"] == f"imported-{kind}"
    assert error_of(ec2.import_key_pair, KeyName="garbage", PublicKeyMaterial=b"garbage")[0] == "InvalidKey.Format"
    for name in (f"made-{kind}", f"imported-{kind}", "never-was"):
        ec2.delete_key_pair(KeyName=name)
    assert error_of(ec2.describe_key_pairs, KeyNames=[f"made-{kind}"])[0] == "InvalidKeyPair.NotFound"


def test_ed25519_fingerprint(ec2, tmp_path):
    """SHA-256 as OpenSSH prints it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    public = (tmp_path / "k.pub").read_bytes()
    want = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "k.pub"], capture_output=True, text=True,
                          check=True).stdout.split()[1].removeprefix("SHA256:")
    got = ec2.import_key_pair(KeyName="finger", PublicKeyMaterial=public)["KeyFingerprint"]
    ec2.delete_key_pair(KeyName="finger")
    assert got.rstrip("=") == want


# --- security groups

def rule(port, cidr="10.0.0.0/8", protocol="tcp"):
    return {"IpProtocol": protocol, "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}


def test_security_groups(ec2):
    group = ec2.create_security_group(GroupName="rules", Description="of the test")["GroupId"]
    assert error_of(ec2.create_security_group, GroupName="rules", Description="x")[0] == "InvalidGroup.Duplicate"
    assert error_of(ec2.create_security_group, GroupName="default", Description="x")[0] == "InvalidGroup.Reserved"
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(80), rule(443)])
    assert len(made["SecurityGroupRules"]) == 2
    assert error_of(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule(80)])[0] == \
        "InvalidPermission.Duplicate"
    shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert sorted(p["FromPort"] for p in shown["IpPermissions"]) == [80, 443]
    rules = ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert len(rules) == 3 and len([r for r in rules if r["IsEgress"]]) == 1
    by_port = {r["FromPort"]: r["SecurityGroupRuleId"] for r in rules if not r["IsEgress"]}
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[by_port[443]])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(80)])
    again = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(80)])  # the VPC is a default one: no error
    assert [p["FromPort"] for p in again["UnknownIpPermissions"]] == [80]
    assert not ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ec2.delete_security_group(GroupId=group)
    assert error_of(ec2.describe_security_groups, GroupIds=[group])[0] == "InvalidGroup.NotFound"


def test_bad_rules(ec2):
    group = ec2.create_security_group(GroupName="bad-rules", Description="x")["GroupId"]
    for wrong in (rule(80, "10.0.0.1/8x"), rule(70000), rule(80, protocol="xyz"), {**rule(80), "ToPort": 79}):
        code, status, _ = error_of(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[wrong])
        assert status == 400 and code.startswith(("InvalidParameterValue", "InvalidPermission"))
    assert not ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ec2.delete_security_group(GroupId=group)


def test_default_group_stays(ec2):
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    assert error_of(ec2.delete_security_group, GroupId=group)[0] == "CannotDelete"


# --- tags, filters, pages

@pytest.fixture(scope="module")
def seven(cloud):
    """Seven tagged groups."""
    ec2 = cloud.client()
    ids = []
    for i in range(7):
        ids.append(ec2.create_security_group(
            GroupName=f"seven-{i}", Description=f"number {i}",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": [
                {"Key": "number", "Value": str(i)}, {"Key": "odd" if i % 2 else "even", "Value": ""}]}])["GroupId"])
    yield ids
    for group in ids:
        ec2.delete_security_group(GroupId=group)


@pytest.mark.parametrize("filters, numbers", [
    ({"tag:number": ["3"]}, "3"),
    ({"tag:number": ["3", "5"]}, "35"),
    ({"tag-key": ["odd"]}, "135"),
    ({"tag-key": ["odd"], "tag:number": ["3", "4"]}, "3"),
    ({"group-name": ["seven-*"]}, "0123456"),
    ({"group-name": ["seven-?"], "description": ["number 6"]}, "6"),
    ({"group-name": ["seven-\\*"]}, ""),
    ({"group-name": ["SEVEN-1"]}, ""),
])
def test_filters(ec2, seven, filters, numbers):
    found = ec2.describe_security_groups(
        Filters=[{"Name": n, "Values": v} for n, v in filters.items()])["SecurityGroups"]
    assert sorted(g["GroupId"] for g in found) == sorted(seven[int(n)] for n in numbers)


def test_unknown_filter(ec2):
    code, status, message = error_of(ec2.describe_vpcs, Filters=[{"Name": "colour", "Values": ["red"]}])
    assert (code, status) == ("InvalidParameterValue", 400) and "colour" in message


def test_pages(cloud, ec2, seven):
    got, token, sizes = [], None, []
    wanted = [{"Name": "group-name", "Values": ["seven-*"]}]
    while True:
        page = ec2.describe_security_groups(Filters=wanted, MaxResults=5, **({"NextToken": token} if token else {}))
        got += [g["GroupId"] for g in page["SecurityGroups"]]
        sizes.append(len(page["SecurityGroups"]))
        token = page.get("NextToken")
        if not token:
            break
    assert sorted(got) == sorted(seven) and sizes == [5, 2]
    assert error_of(ec2.describe_security_groups, MaxResults=5, NextToken="nonsense")[0] in (
        "InvalidNextToken", "InvalidPaginationToken", "InvalidParameterValue")
    # The SDK's own check would not let this out.
    status, text = cloud.raw({"Action": "DescribeSecurityGroups", "Version": "2016-11-15", "MaxResults": "3"})
    assert (status, code_of(text)) == (400, "InvalidParameterValue")


def test_tags(cloud, ec2, seven, aws_program):
    name = uuid.uuid4().hex
    cloud.aws("ec2", "create-tags", "--resources", *seven[:2], "--tags", f"Key={name},Value=a b&<c>é",
              program=aws_program)
    tags = cloud.aws("ec2", "describe-tags", "--filters", f"Name=key,Values={name}", program=aws_program)["Tags"]
    assert {(t["ResourceId"], t["ResourceType"], t["Value"]) for t in tags} == \
        {(i, "security-group", "a b&<c>é") for i in seven[:2]}
    ec2.create_tags(Resources=seven[:1], Tags=[{"Key": name, "Value": "new"}])
    ec2.delete_tags(Resources=seven[:1], Tags=[{"Key": name, "Value": "not this"}])
    group = ec2.describe_security_groups(Filters=[{"Name": f"tag:{name}", "Values": ["new"]}])["SecurityGroups"]
    assert [g["GroupId"] for g in group] == seven[:1]
    ec2.delete_tags(Resources=seven[:2], Tags=[{"Key": name}])
    assert not ec2.describe_tags(Filters=[{"Name": "key", "Values": [name]}])["Tags"]


def test_bad_tags(ec2, seven):
    assert error_of(ec2.create_tags, Resources=seven[:1], Tags=[{"Key": "aws:x", "Value": ""}])[0] == \
        "InvalidParameterValue"
    many = [{"Key": f"k{i}", "Value": ""} for i in range(51)]
    assert error_of(ec2.create_tags, Resources=seven[:1], Tags=many)[0] == "TagLimitExceeded"
    assert error_of(ec2.create_tags, Resources=["sg-0123456789abcdef0"],
                    Tags=[{"Key": "a", "Value": ""}])[0] == "InvalidGroup.NotFound"
    shown = ec2.describe_security_groups(GroupIds=seven[:1])["SecurityGroups"][0]
    assert len(shown["Tags"]) == 2
