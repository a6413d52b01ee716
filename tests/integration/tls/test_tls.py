"""The API with TLS, on an address of the host and at VPC endpoints: the API and the network daemon alone."""

import contextlib
import http.client
import json
import pathlib
import socket
import sys

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "billing")]

from cloud import run, wait_until  # noqa: E402  (the path above)
from lone_api import PATIENCE_S, LoneApi  # noqa: E402

HOST, PORT = "ec2.us-east-1.amazonaws.com", 8777


@pytest.fixture(scope="module")
def api():
    it = LoneApi()
    certificate, key = it.directory / "cert.pem", it.directory / "key.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=minicloud",
        "-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1", "-keyout", key, "-out", certificate)
    key.chmod(0o644)
    it.configure(listen_tls=f"127.0.0.1:{PORT}", tls_certificate=certificate, tls_key=key)
    it.certificate = certificate
    try:
        it.launcher("start-one", "netd")
        it.start()
        yield it
    finally:
        it.close()
        it.launcher("stop-one", "netd", check=False)


def client(api, verify):
    return boto3.session.Session().client(
        "ec2", region_name="us-east-1", endpoint_url=f"https://127.0.0.1:{PORT}", verify=verify, aws_access_key_id=api.key,
        aws_secret_access_key=api.secret, config=botocore.config.Config(retries={"max_attempts": 0}, proxies={}))


def test_the_api_shows_the_operators_certificate(api):
    assert len(client(api, str(api.certificate)).describe_vpcs()["Vpcs"]) == 1
    with pytest.raises(botocore.exceptions.SSLError):
        client(api, True).describe_vpcs()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)) as plain:
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.request("GET", "/")
            plain.getresponse()


def networks(api):
    connection = http.client.HTTPConnection("d")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(api.run_dir / "netd.sock"))
    with contextlib.closing(connection):
        connection.request("GET", "/v1/vpcs")
        return json.loads(connection.getresponse().read())["vpcs"]


def presigned(api, scheme):
    request = botocore.awsrequest.AWSRequest("GET", f"{scheme}://{HOST}/", params={"Action": "DescribeVpcs", "Version": "2016-11-15"})
    botocore.auth.SigV4QueryAuth(botocore.credentials.Credentials(api.key, api.secret), "ec2", "us-east-1").add_auth(request)
    return request.prepare().url


def test_endpoints_speak_it_too(api):
    """In the endpoints' own namespaces; how packets get there is other tests' matter."""
    ec2 = api.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    made = [ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.ec2", **more)["VpcEndpoint"]["VpcEndpointId"]
            for more in ({"VpcEndpointType": "Interface", "SubnetIds": [subnet], "PrivateDnsEnabled": False}, {})]
    namespaces = sorted(p for p in (api.run_dir / "netns").iterdir() if p.name.startswith(vpc + "."))
    assert len(namespaces) == 2 and namespaces[1].name == f"{vpc}.{made[1]}.198.19.255.1"
    for path in namespaces:
        address = path.name.split(".", 2)[2]
        for scheme, port in (("http", 80), ("https", 443)):
            answer = run("nsenter", f"--net={path}", "curl", "-sS", "--max-time", "100", "--noproxy", "*", "--cacert", api.certificate,
                         "--resolve", f"{HOST}:{port}:{address}", presigned(api, scheme)).stdout
            assert vpc in answer, (path, scheme, answer)
    assert not ec2.delete_vpc_endpoints(VpcEndpointIds=made)["Unsuccessful"]
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    wait_until("netd has forgotten the VPC", lambda: vpc not in json.dumps(networks(api)), PATIENCE_S)


def test_a_key_of_another_certificate_is_refused(api):
    other = api.directory / "other.pem"
    run("openssl", "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other)
    program = api.root / "build" / "minicloud-api"
    for words, told in ((("--tls-certificate", api.certificate, "--tls-key", other), "is not its key"),
                        (("--listen-tls", "127.0.0.1:8778"), "needs tls_certificate")):
        done = run("env", f"MINICLOUD_HOME={api.directory}/none", f"MINICLOUD_RUN={api.directory}/none", program, "--config=/dev/null",
                   *(f"{a}={b}" for a, b in zip(words[::2], words[1::2])), check=False)
        assert done.returncode != 0 and told in done.stderr, done.stderr
