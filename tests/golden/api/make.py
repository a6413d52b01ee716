#!/usr/bin/python3
"""Write the golden files of this directory with botocore itself: what it sends for
given parameters (query.json) and how it signs (sigv4.json). Run by hand when a case
is added: tests/golden/api/make.py"""
import base64
import datetime
import json
import os
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
from botocore import serialize
from botocore.model import ServiceModel

HERE = os.path.dirname(os.path.abspath(__file__))
SESSION = botocore.session.Session()
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

QUERIES = [
    ("ec2", "DescribeInstances", {}),
    ("ec2", "DescribeInstances", {"InstanceIds": ["i-1234567890abcdef0"], "MaxResults": 5,
                                  "NextToken": "a+b/c=="}),
    ("ec2", "DescribeInstances", {"Filters": [
        {"Name": "instance-state-name", "Values": ["running", "stop*"]},
        {"Name": "tag:Name", "Values": ["Gr\u00fc\u00dfe & =%"]}], "DryRun": True}),
    ("ec2", "DescribeInstances", {"InstanceIds": [f"i-{n:017x}" for n in range(12)]}),
    ("ec2", "RunInstances", {
        "ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.micro", "MinCount": 1,
        "MaxCount": 3, "KeyName": "k", "SecurityGroupIds": ["sg-1", "sg-2"],
        "UserData": "IyEvYmluL3NoCg==", "ClientToken": "tok", "EbsOptimized": False,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {
            "VolumeSize": 12, "DeleteOnTermination": True, "VolumeType": "gp3"}}],
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-1", "Groups": ["sg-3"],
                               "PrivateIpAddresses": [
                                   {"Primary": True, "PrivateIpAddress": "10.0.0.4"}]}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [
            {"Key": "Name", "Value": "web"}, {"Key": "empty", "Value": ""}]}]}),
    ("ec2", "StopInstances", {"InstanceIds": ["i-1"], "Force": True, "Hibernate": False}),
    ("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": "sg-1", "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ssh"}],
         "UserIdGroupPairs": [{"GroupId": "sg-2"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1}]}),
    ("ec2", "CreateTags", {"Resources": ["i-1", "vol-1"], "Tags": [{"Key": "a", "Value": "b"}]}),
    ("ec2", "DescribeVolumes", {"VolumeIds": ["vol-1"]}),
    ("ec2", "ModifyInstanceAttribute", {"InstanceId": "i-1", "UserData": {"Value": b"hello"},
                                        "DisableApiTermination": {"Value": True}}),
    ("ec2", "DescribeSpotPriceHistory", {"StartTime": "2026-11-21T04:05:06.000Z"}),
    ("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}),
    ("sts", "GetCallerIdentity", {}),
    ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::000000000000:role/demo",
                           "RoleSessionName": "me", "DurationSeconds": 900,
                           "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
                           "Tags": [{"Key": "a", "Value": "b"}]}),
]


def model(service):
    return ServiceModel(SESSION.get_component("data_loader").load_service_model(
        service, "service-2"), service)


def queries():
    from urllib.parse import quote_plus
    for service, operation, doc in QUERIES:
        op = model(service).operation_model(operation)
        made = serialize.create_serializer(op.service_model.metadata["protocol"], False)
        body = made.serialize_to_request(doc, op)["body"]
        form = "&".join(f"{quote_plus(k)}={quote_plus(str(v))}" for k, v in body.items())
        plain = json.loads(json.dumps(doc, default=lambda b: base64.b64encode(b).decode()))
        yield {"service": service, "operation": operation, "form": form, "doc": plain}


NOW = datetime.datetime(2026, 11, 21, 4, 0, 0)


class FixedTime(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW

    @classmethod
    def now(cls, tz=None):
        return NOW.replace(tzinfo=tz)


def sign(name, auth, method, url, headers, body, service, region="us-east-1", **more):
    request = botocore.awsrequest.AWSRequest(method, url, headers=headers, data=body)
    signer = auth(botocore.credentials.Credentials(KEY, SECRET, more.pop("token", None)),
                  service, region, **more)
    signer.add_auth(request)
    prepared = request.prepare()
    path, _, query = prepared.url.split("//", 1)[1].partition("/")[2].partition("?")
    sent = dict(prepared.headers)
    sent.setdefault("Host", url.split("/")[2])
    return {"name": name, "method": method, "path": "/" + path, "query": query,
            "headers": {k: v.decode() if isinstance(v, bytes) else v for k, v in sent.items()},
            "body": body or "", "region": region, "service": service}


def signatures():
    header, query = botocore.auth.SigV4Auth, botocore.auth.SigV4QueryAuth
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    url = "http://127.0.0.1:9000/"
    yield sign("post", header, "POST", url, form, "Action=DescribeInstances&Version=2016-11-15",
               "ec2")
    yield sign("get", header, "GET", url + "?Action=DescribeRegions&Version=2016-11-15&b=%20x&a",
               {}, None, "ec2", "eu-central-1")
    yield sign("token", header, "POST", url, form, "Action=GetCallerIdentity", "sts",
               token="FwoGZXIvYXdz//token==")
    yield sign("blanks", header, "POST", url, {**form, "X-Amz-Meta": "  a   b  c "}, "Action=X",
               "ec2")
    yield sign("path", header, "GET", url + "a%20b/c", {}, None, "ec2")
    yield sign("presigned", query, "GET",
               url + "?Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=a%2Bb", {}, None,
               "ec2", expires=60)


def write(name, rows):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=True) for r in rows) + "\n]\n")


def main():
    write("query.json", list(queries()))
    with mock.patch.object(botocore.auth.datetime, "datetime", FixedTime):
        write("sigv4.json", list(signatures()))


if __name__ == "__main__":
    main()
