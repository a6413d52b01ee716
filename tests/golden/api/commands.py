#!/usr/bin/python3
"""Write commands.json: command lines, and the request Debian's AWS CLI makes of each.
Also names.json, operations and parameters with the AWS CLI's names for them, and
text.json, documents and its text form of them. Run by hand when a case is added."""
import base64
import io
import json
import os
import shlex
import sys

os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="us-east-1",
                  AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")

import awscli.clidriver  # noqa: E402
import awscli.text  # noqa: E402
from botocore import xform_name  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))

LINES = r"""
describe-instances
describe-instances --instance-ids i-1 i-2 --dry-run
describe-instances --filters Name=instance-state-name,Values=running,stopped Name=tag:Name,Values=web
describe-instances --filters 'Name=tag:a b,Values="x,y",z'
describe-instances --filters '[{"Name":"vpc-id","Values":["vpc-1"]}]'
describe-instances --filters Name=tag:k,Values=a\,b
describe-instances --filters Name=tag:k,Values=a=b
describe-instances --filters 'Name=tag:k,Values=[a,b]'
describe-instances --filters "Name=tag:k,Values='it\\'s'"
describe-instances --max-results 7 --no-dry-run
describe-vpcs --vpc-ids
run-instances --image-id ami-1 --instance-type t3.micro --key-name k --count 2
run-instances --image-id ami-1 --count 1:4 --user-data hello --ebs-optimized
run-instances --image-id ami-1
run-instances --image-id ami-1 --security-group-ids sg-1 sg-2 --subnet-id subnet-1
run-instances --image-id ami-1 --subnet-id subnet-1 --security-group-ids sg-1 --associate-public-ip-address
run-instances --image-id ami-1 --private-ip-address 10.0.0.9 --no-associate-public-ip-address
run-instances --image-id ami-1 --secondary-private-ip-addresses 10.0.0.5 10.0.0.6
run-instances --image-id ami-1 --secondary-private-ip-address-count 2
run-instances --image-id ami-1 --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=x}]' 'ResourceType=volume,Tags=[{Key=a,Value=b}]'
run-instances --image-id ami-1 --block-device-mappings 'DeviceName=/dev/xvda,Ebs={VolumeSize=8,DeleteOnTermination=true}'
run-instances --image-id ami-1 --block-device-mappings '[{"DeviceName":"/dev/xvda","Ebs":{"VolumeSize":8}}]'
run-instances --image-id ami-1 --placement AvailabilityZone=us-east-1b,Tenancy=default --monitoring Enabled=true
run-instances --image-id ami-1 --disable-api-termination --instance-initiated-shutdown-behavior terminate
run-instances --image-id ami-1 --enable-api-termination
run-instances --image-id ami-1 --network-interfaces 'DeviceIndex=0,SubnetId=subnet-1,Groups=[sg-1,sg-2],AssociatePublicIpAddress=true'
run-instances --image-id ami-1 --metadata-options HttpTokens=required,HttpPutResponseHopLimit=2
terminate-instances --instance-ids i-1
stop-instances --instance-ids i-1 --force
authorize-security-group-ingress --group-id sg-1 --protocol tcp --port 22 --cidr 0.0.0.0/0
authorize-security-group-ingress --group-id sg-1 --protocol all --source-group sg-2
authorize-security-group-ingress --group-name default --protocol icmp --port -1 --cidr 10.0.0.0/8
authorize-security-group-ingress --group-id sg-1 --protocol udp --port 1000-2000 --source-group other --group-owner 123456789012
authorize-security-group-egress --group-id sg-1 --ip-permissions IpProtocol=tcp,FromPort=80,ToPort=80,IpRanges=[{CidrIp=10.0.0.0/8}]
authorize-security-group-ingress --group-id sg-1 --ip-permissions 'IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=10.0.0.0/8,Description="a b"}],UserIdGroupPairs=[{GroupId=sg-2}]'
revoke-security-group-ingress --group-id sg-1 --security-group-rule-ids sgr-1 sgr-2
revoke-security-group-egress --group-id sg-1 --protocol 50 --cidr 10.0.0.0/8
create-tags --resources i-1 vol-1 --tags Key=Name,Value=web Key=empty,Value=
create-tags --resources i-1 --tags 'Key=Name,Value="a=b, c"'
create-key-pair --key-name k --key-type ed25519
create-security-group --group-name g --description 'a group' --vpc-id vpc-1
modify-instance-attribute --instance-id i-1 --instance-type Value=t3.small
modify-instance-attribute --instance-id i-1 --instance-type '{"Value":"t3.small"}'
modify-instance-attribute --instance-id i-1 --groups sg-1 sg-2
create-volume --availability-zone us-east-1a --size 8 --volume-type gp3 --encrypted
create-network-acl-entry --network-acl-id acl-1 --ingress --rule-number 1 --protocol 6 --rule-action allow --port-range From=1,To=2
create-image --instance-id i-1 --name x --no-reboot
create-image --instance-id i-1 --name x --reboot
describe-spot-price-history --start-time 2026-11-21T04:00:00Z
describe-account-attributes --attribute-names default-vpc
get-console-output --instance-id i-1 --latest
describe-images --owners self amazon --image-ids ami-1
"""


DOCUMENTS = [
    {"Vpcs": []},
    {"Regions": [{"RegionName": "b", "Endpoint": "e"}, {"RegionName": "a"}]},
    {"A": 1, "B": True, "C": None, "D": "x y", "E": {"F": 2.5, "G": ["h", "i"]}, "J": ["k"]},
    {"L": [{"X": 1, "Y": {"Z": 2}}, {"Y": {"Z": 3}}], "M": [[1, 2], [3, [4]], []]},
    [["i-1", "running"], ["i-2", None]],
    ["i-1", "i-2"], "plain", 7, None, [], {},
    {"Reservations": [{"Groups": [], "OwnerId": "1", "Instances": [
        {"InstanceId": "i-1", "State": {"Code": 16, "Name": "running"},
         "Tags": [{"Key": "Name", "Value": "web"}]}]}]},
]


class Captured(Exception):
    pass


def request(words):
    """What the AWS CLI would send: the parameters of its query."""
    driver, seen = awscli.clidriver.create_clidriver(), {}

    def capture(params, **_):
        seen.update(params["body"])
        raise Captured

    driver.session.register("before-call.ec2.*", capture)
    try:
        driver._build_command_table()  # pylint: disable=protected-access
        driver.main(["ec2", *words])
    except Captured:
        pass
    if not seen:
        sys.exit(f"the AWS CLI does not take: {words}")
    return seen


def text(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def texts():
    for document in DOCUMENTS:
        stream = io.StringIO()
        awscli.text.format_text(document, stream)
        yield json.dumps({"doc": document, "text": stream.getvalue()})


def main():
    with open(os.path.join(HERE, "commands.json"), "w", encoding="utf-8") as f:
        rows = []
        for line in filter(None, LINES.splitlines()):
            words = shlex.split(line)
            sent = {k: text(v) for k, v in request(words).items() if k != "ClientToken"}
            rows.append(json.dumps({"words": words, "request": sent}))
        f.write("[\n" + ",\n".join(rows) + "\n]\n")
    with open(os.path.join(HERE, "text.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(texts()) + "\n]\n")
    session = awscli.clidriver.create_clidriver().session
    model, names = session.get_service_model("ec2"), {}
    for operation in model.operation_names:
        names[operation] = xform_name(operation, "-")
        for member in model.operation_model(operation).input_shape.members:
            names[member] = xform_name(member, "-")
    with open(os.path.join(HERE, "names.json"), "w", encoding="utf-8") as f:
        json.dump(names, f, indent=0, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main()
