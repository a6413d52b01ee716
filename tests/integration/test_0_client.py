"""The client against a stand-in for the API: what it sends, and what it does with answers."""

import json
import os
import stat
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
import yaml

from standin import (Handler, INSTANCE, KEY, OnNetwork, ROOT, SECRET, api, event, instances, run,  # noqa: F401
                     script, serve, with_events)
from terminal import Terminal


def test_request(api, run):
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": []})]
    status, out, _ = run("describe-vpcs", "--vpc-ids", "vpc-1", "--region", "eu-west-1")
    assert (status, json.loads(out)) == (0, {"Vpcs": []})
    _, path, body, headers = api.seen[0]
    assert path == "/" and json.loads(body) == {"VpcIds": ["vpc-1"]}
    assert headers["X-Minicloud-Region"] == "eu-west-1" and "Authorization" not in headers


@pytest.mark.parametrize("words", [("ec2", "describe-vpcs"), ("--output", "json", "describe-vpcs"),
                                   ("describe-vpcs", "--output=json", "--no-cli-pager")])
def test_spelling(api, run, words):
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": [{"VpcId": "ü"}]})]
    assert json.loads(run(*words)[1])["Vpcs"][0]["VpcId"] == "ü"


def test_another_service(api, run):
    api.answers["sts.GetCallerIdentity"] = [(200, {"Account": "1"})]
    assert run("sts", "get-caller-identity", "--output", "text")[1] == "1\n"
    assert run("get-caller-identity", "--output", "text")[1] == "1\n"


def test_pages(api, run):
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": [{"VpcId": "a"}], "NextToken": "t1"}),
                                       (200, {"Vpcs": [{"VpcId": "b"}], "NextToken": "t2"}),
                                       (200, {"Vpcs": [{"VpcId": "c"}]})]
    assert json.loads(run("describe-vpcs")[1]) == {"Vpcs": [{"VpcId": v} for v in "abc"]}
    assert [json.loads(s[2]).get("NextToken") for s in api.seen] == [None, "t1", "t2"]


@pytest.mark.parametrize("words", [("--no-paginate",), ("--max-results", "5")])
def test_one_page(api, run, words):
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": [], "NextToken": "t1"})]
    assert json.loads(run("describe-vpcs", *words)[1])["NextToken"] == "t1"
    assert len(api.seen) == 1


def test_a_service_that_never_ends(api, run):
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": [], "NextToken": "again"})]
    assert run("describe-vpcs")[0] == 255


def test_yaml(api, run):
    """What a YAML reader makes of it is what the API answered."""
    doc = {"Vpcs": [{"VpcId": "vpc-1", "IsDefault": True, "Text": ["yes", "No", "null", "~", "", "1", "1.5", "0x1f", "1e3",
                                                                "2026-11-21", "10.0.0.0/16", "a: b", "# c", "- d", "{e}", "'",
                                                                '"', "ü\n two\nlines", "=", "\t", "12:30:45", ".5", "<<"],
                     "Number": 12, "Real": 1.5, "Nothing": None, "Empty": [], "None": {}}]}
    api.answers["ec2.DescribeVpcs"] = [(200, doc)]
    status, out, _ = run("describe-vpcs", "--output", "yaml")
    assert status == 0 and yaml.safe_load(out) == doc and "VpcId: vpc-1" in out
    assert run("describe-vpcs", "--output", "yaml", "--query", "Vpcs[0].VpcId")[1] == "vpc-1\n"


def test_error(api, run):
    api.answers["ec2.TerminateInstances"] = [(400, {"__type": "InvalidInstanceID.NotFound", "message": "gone"})]
    status, out, err = run("terminate-instances", "--instance-ids", INSTANCE)
    assert (status, out) == (254, "")
    assert err == ("An error occurred (InvalidInstanceID.NotFound) when calling the TerminateInstances "
                   "operation: gone\n")


@pytest.mark.parametrize("answer", [(200, b""), (200, b"<xml/>"), (200, b"[]"), (502, b"bad gateway")])
def test_no_json(api, run, answer):
    api.answers["ec2.DescribeVpcs"] = [answer]
    status, out, err = run("describe-vpcs")
    assert (status, out) == (255, "") and "JSON" in err


def test_no_cloud(run):
    status, _, err = run("describe-vpcs")
    assert status == 255 and "make demo" in err


@pytest.mark.parametrize("words", [("nonsense",), ("describe-vpcs", "--nonsense"), ("describe-vpcs", "x"),
                                   ("describe-vpcs", "--output", "xml"), ("describe-vpcs", "--region"),
                                   ("describe-vpcs", "--region", "../x"), ("wait",), ("wait", "nonsense"),
                                   ("ssh",), ("ssh", "vol-1"), ("env", "x"), ("help", "nonsense"),
                                   ("describe-vpcs", "--endpoint-url", "ftp://x"), ()])
def test_usage(run, words):
    status, _, err = run(*words)
    assert status == 252 and (not words or "minicloud" in err)


@pytest.mark.parametrize("words", [("help",), ("--help",), ("help", "run-instances"), ("help", "operations"),
                                   ("run-instances", "--help"), ("run-instances", "help"), ("wait", "--help"),
                                   ("ssh", "--help"), ("env", "--help"), ("help", "ssh"), ("version",),
                                   ("wait", "instance-running", "--help")])
def test_help(run, words):
    status, out, err = run(*words)
    assert status == 0 and "minicloud" in out + "minicloud" and out and not err


def test_empty_answer_prints_nothing(api, run):
    api.answers["ec2.CreateTags"] = [(200, {})]
    assert run("create-tags", "--resources", INSTANCE, "--tags", "Key=a,Value=b") == (0, "", "")


def test_console_is_decoded(api, run):
    api.answers["ec2.GetConsoleOutput"] = [(200, {"InstanceId": INSTANCE, "Output": "bG9naW46/w=="})]
    words = ("get-console-output", "--instance-id", INSTANCE)
    assert json.loads(run(*words)[1])["Output"] == "login:?"
    assert run(*words, "--output", "table")[1] == "login:?\n"


def test_query(api, run, tmp_path):
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": [{"VpcId": "a"}]})]
    script(tmp_path / "bin" / "jp", f'cat > {tmp_path}/given; echo "$2" > {tmp_path}/asked; echo \'["a"]\'\n')
    assert run("describe-vpcs", "--query", "Vpcs[].VpcId", "--output", "text")[:2] == (0, "a\n")
    assert json.loads((tmp_path / "given").read_text()) == {"Vpcs": [{"VpcId": "a"}]}
    assert (tmp_path / "asked").read_text() == "Vpcs[].VpcId\n"
    script(tmp_path / "bin" / "jp", "echo SyntaxError >&2; exit 1\n")
    status, _, err = run("describe-vpcs", "--query", "[")
    assert status == 255 and "SyntaxError" in err


def test_env(api, run):
    api.pages["/v1/credentials"] = (200, {"access_key": KEY, "secret_key": SECRET, "region": "us-east-1",
                                          "endpoint": "http://127.0.0.1:8775"})
    assert run("env")[1].splitlines()[:4] == [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:8775", f"export AWS_ACCESS_KEY_ID={KEY}",
        f"export AWS_SECRET_ACCESS_KEY={SECRET}", "export AWS_DEFAULT_REGION=us-east-1"]
    api.pages["/v1/credentials"][1]["region"] = "x;reboot"
    status, out, _ = run("env")
    assert (status, out) == (255, "")


WAIT = ("wait", "instance-running", "--instance-ids", INSTANCE)


def asked(server):
    return [s for s in server.seen if s[0] == "ec2.DescribeInstances"]


def test_wait_without_a_stream(api, run):
    """It asks again, a second later."""
    api.answers["ec2.DescribeInstances"] = [(400, {"__type": "InvalidInstanceID.NotFound", "message": ""}),
                                            (503, {"__type": "Unavailable", "message": ""}),
                                            (200, instances("running"))]
    assert run(*WAIT) == (0, "", "")
    assert len(asked(api)) == 3


def test_wait_follows_events(api, run):
    """It asks when something happened: this stands still unless it listens."""
    events = with_events(api)
    answers = [(200, instances("pending")), (200, instances("pending")), (200, instances("running"))]
    api.answers["ec2.DescribeInstances"] = answers

    def happen(server):
        if len(asked(server)) == 1:
            events.put(b"id: e-0\nevent: resync\ndata: {}\n\n")
        elif len(asked(server)) == 2:
            events.put(b": a comment\n\n" + event()[:20])
            events.put(event()[20:])

    api.on_call = happen
    began = time.monotonic()
    assert run(*WAIT) == (0, "", "")
    assert len(asked(api)) == 3 and time.monotonic() - began < 14  # AWS's would look again after 15 s
    assert [s[1] for s in api.seen if s[0] == "GET"] == ["/v1/events?region=us-east-1"]


def test_wait_goes_on_behind_the_last_event(api, run):
    """A stream that ends is asked for what came since."""
    events = with_events(api)
    events.put(event(number=7))
    events.put(None)
    events.put(event(number=8))
    api.answers["ec2.DescribeInstances"] = [(200, instances("pending"))]
    streams = []

    def happen(server):
        streams[:] = [s for s in server.seen if s[0] == "GET"]
        if len(streams) == 2:
            server.answers["ec2.DescribeInstances"] = [(200, instances("running"))]

    api.on_call = happen
    assert run(*WAIT) == (0, "", "")
    assert "Last-Event-ID" not in streams[0][3] and streams[1][3]["Last-Event-ID"] == "e-7"


@pytest.mark.parametrize("condition,operation,answer,words", [
    ("instance-running", "DescribeInstances", (200, instances("terminated")), "terminated"),
    ("instance-running", "DescribeInstances", (200, instances("stopping")), "stopping"),
    ("instance-stopped", "DescribeInstances", (200, instances("pending")), "pending"),
    ("instance-terminated", "DescribeInstances", (200, instances("stopping")), "stopping"),
    ("instance-stopped", "DescribeInstances", (400, {"__type": "InvalidInstanceID.NotFound", "message": "none"}),
     "InvalidInstanceID.NotFound"),
    ("instance-running", "DescribeInstances", (403, {"__type": "UnauthorizedOperation", "message": "no"}),
     "UnauthorizedOperation"),
    ("network-interface-available", "DescribeNetworkInterfaces",
     (400, {"__type": "InvalidNetworkInterfaceID.NotFound", "message": "none"}), "NotFound"),
    ("image-available", "DescribeImages", (200, {"Images": [{"State": "available"}, {"State": "failed"}]}), "failed"),
])
def test_wait_in_vain(api, run, condition, operation, answer, words):
    api.answers[f"ec2.{operation}"] = [answer]
    status, out, err = run("wait", condition)
    assert (status, out) == (255, "") and words in err and "Waiter" in err


@pytest.mark.parametrize("condition,operation,answer", [
    ("volume-deleted", "DescribeVolumes", (400, {"__type": "InvalidVolume.NotFound", "message": ""})),
    ("vpc-exists", "DescribeVpcs", (200, {"Vpcs": []})),
    ("key-pair-exists", "DescribeKeyPairs", (200, {"KeyPairs": [{"KeyName": "k"}]})),
    ("password-data-available", "GetPasswordData", (200, {"PasswordData": "x"})),
    ("nat-gateway-deleted", "DescribeNatGateways", (200, {"NatGateways": [{"State": "deleted"}]})),
])
def test_wait_is_over(api, run, condition, operation, answer):
    api.answers[f"ec2.{operation}"] = [answer]
    more = ("--instance-id", INSTANCE) if operation == "GetPasswordData" else ()
    assert run("wait", condition, *more) == (0, "", "")


def test_wait_has_an_end(api, run):
    api.answers["ec2.DescribeVpcs"] = [(400, {"__type": "InvalidVpcID.NotFound", "message": ""})]
    status, _, err = run("wait", "vpc-exists")  # five seconds
    assert status == 255 and "Max attempts exceeded" in err


RUN = ("run-instances", "--image-id", "ami-1", "--instance-type", "t3.nano")
ANSI = "\x1b["


def on_terminal(api, tmp_path, *words, **more):
    """The client on a terminal of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MINICLOUD_RUN": str(tmp_path),
                   "LC_ALL": "C.UTF-8", **more}
    return Terminal([ROOT / "build" / "minicloud", *words], environment)


def launch_in(api, *states, events=True, **more):
    """RunInstances, and DescribeInstances that shows one state after the other."""
    api.answers["ec2.RunInstances"] = [(200, instances("pending")["Reservations"][0])]
    api.answers["ec2.DescribeInstances"] = [(200, instances(state, **more)) for state in states]
    if events:
        queue = with_events(api)
        for n in range(9):
            queue.put(event(number=n))


def test_progress(api, tmp_path):
    launch_in(api, "running", PublicIpAddress="203.0.113.5", PrivateIpAddress="10.0.0.4")
    with on_terminal(api, tmp_path, *RUN) as t:
        t.expect(INSTANCE + r" +\S+pending")
        t.expect(INSTANCE + r" +\S+running\S* +10\.0\.0\.4 +203\.0\.113\.5 +\d+s")
        t.expect(f"minicloud ssh {INSTANCE}")
        assert t.end() == 0


def test_progress_without_colour(api, tmp_path):
    launch_in(api, "running")
    with on_terminal(api, tmp_path, *RUN, NO_COLOR="1") as t:
        t.expect("running")
        assert t.end() == 0 and ANSI + "3" not in t.text


def test_progress_in_vain(api, tmp_path):
    launch_in(api, "terminated", StateReason={"Message": "Server.InsufficientInstanceCapacity: no room"})
    with on_terminal(api, tmp_path, *RUN) as t:
        t.expect("did not get to run: Server.InsufficientInstanceCapacity: no room")
        assert t.end() == 255


def test_progress_is_for_people(api, run, tmp_path):
    launch_in(api, "running", events=False)
    assert run(*RUN)[2] == ""
    with on_terminal(api, tmp_path, *RUN, "--no-wait", "--output", "json") as t:
        assert t.end() == 0
        assert json.loads(t.text)["Instances"][0]["State"]["Name"] == "pending"
    assert asked(api) == []


def test_key_is_saved(api, run, tmp_path):
    api.answers["ec2.CreateKeyPair"] = [(200, {"KeyName": "k", "KeyMaterial": "secret\n"})]
    status, out, _ = run("create-key-pair", "--key-name", "k", "--save")
    path = tmp_path / ".minicloud" / "keys" / "k.pem"
    assert status == 0 and "secret" not in out
    assert path.read_text() == "secret\n" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ssh(api, run, tmp_path):
    script(tmp_path / "bin" / "ssh", 'printf "%s\\n" "$@"\nexit 7\n')
    api.answers["ec2.DescribeInstances"] = [(200, instances(PublicIpAddress="203.0.113.5"))]
    assert "k.pem" in run("ssh", INSTANCE)[2]  # the key is not there
    keys = tmp_path / ".minicloud" / "keys"
    keys.mkdir(parents=True)
    (keys / "k.pem").touch()
    status, out, _ = run("ssh", "-l", "admin", INSTANCE, "ls", "--output", "-l")
    words = out.splitlines()
    assert status == 7 and words[words.index("-l") + 1:] == ["admin", "--", "203.0.113.5", "ls", "--output", "-l"]
    assert words[1] == str(keys / "k.pem") and f"HostKeyAlias={INSTANCE}" in words


@pytest.mark.parametrize("instance", [instances(), instances("stopped", PublicIpAddress="203.0.113.5"),
                                      instances(PublicIpAddress="-oProxyCommand=x"), {"Reservations": []}])
def test_ssh_refuses(api, run, tmp_path, instance):
    script(tmp_path / "bin" / "ssh", "echo called\n")
    api.answers["ec2.DescribeInstances"] = [(200, instance)]
    status, out, err = run("ssh", INSTANCE)
    assert (status, out) == (255, "") and err


def test_over_the_network(run):
    """Signed so that botocore comes to the same signature."""
    server = serve(OnNetwork(("127.0.0.1", 0), Handler))
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    server.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": []})]
    try:
        keys = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        assert run("describe-vpcs", "--region", "eu-west-1", **keys)[0] == 0
        assert run("describe-vpcs", AWS_ENDPOINT_URL=url)[0] == 255  # no keys
    finally:
        server.shutdown()
        server.server_close()
    (_, path, body, headers), = server.seen
    sent = {k: headers[k] for k in ("Content-Type", "X-Amz-Target", "X-Amz-Date", "Host")}
    request = botocore.awsrequest.AWSRequest("POST", url, headers=sent, data=body)
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "ec2", "eu-west-1")
    request.context["timestamp"] = headers["X-Amz-Date"]
    canonical = signer.string_to_sign(request, signer.canonical_request(request))
    assert path == "/" and headers["Authorization"].endswith("Signature=" + signer.signature(canonical, request))
