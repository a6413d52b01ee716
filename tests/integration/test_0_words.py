"""The client's own words: help, manual pages, and completion in real shells."""

import os
import re
import shutil
import subprocess

import pytest

from standin import INSTANCE, ROOT, api, instances, run  # noqa: F401
from terminal import Terminal

BUILD = ROOT / "build"
COMMANDS = ["ssh", "console", "bill", "billing", "meters", "env", "wait", "top", "why", "doctor", "version", "help"]
VOLUME = "vol-0123456789abcdef0"


def built():
    """(service, name) of the operations that the API daemon has; several services may have one of the same name."""
    done = subprocess.run([BUILD / "minicloud-api", "--operations", "yes", "--config", "/dev/null"],
                          capture_output=True, text=True, check=True)
    return {tuple(line.split()) for line in done.stdout.splitlines()}


# --- help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run, name):
    status, out, err = run(name, "--help")
    assert (status, err) == (0, "") and out.startswith(f"minicloud {name}") and "--output" in out
    assert run("help", name)[1] == out


def test_every_operation_explains_itself(run):
    listed = run("help", "operations")[1]
    names = re.findall("^  ([a-z0-9-]+)$", listed, re.M)
    assert len(names) > 576 and "run-instances" in names
    for name in ("run-instances", "create-vpc", "get-parameters-by-path", "get-caller-identity"):
        assert name in names
        assert run("help", name)[1].startswith(f"minicloud {name} [options]")
    assert run("ec2", "--help")[1] == run("help", "ec2")[1] != ""


def test_one_name_in_several_services(run):
    assert run("kms", "tag-resource", "--help")[1].startswith("minicloud kms tag-resource [options]")
    assert run("help", "dlm", "tag-resource")[1] == run("dlm", "tag-resource", "--help")[1]
    assert run("dlm", "tag-resource", "--help")[1].startswith("minicloud dlm tag-resource [options]")
    for words in (("tag-resource", "--tags", "x"), ("help", "tag-resource")):
        status, out, err = run(*words)
        assert (status, out) == (252, "") and "several services" in err and "kms" in err and "dlm" in err
    assert "minicloud kms tag-resource --help" in run("kms", "tag-resource", "--key", "x")[2]
    assert "did you mean tag-resource?" in run("kms", "tag-resourc", "--key-id", "x")[2]


def test_an_operations_help_has_all_its_options(run):
    out = run("run-instances", "--help")[1]
    for option in ("--image-id TEXT", "--count N|MIN:MAX", "--security-group-ids TEXT ...", "--ebs-optimized | --no-ebs-optimized",
                   "--no-wait", "--output json|text|table|csv|yaml", "--instance-initiated-shutdown-behavior TEXT"):
        assert f"  {option}\n" in out, option
    assert "one of: stop terminate" in out


def test_help_knows_what_the_cloud_has(api, run):
    api.pages["/v1/operations"] = (200, {"ec2": ["RunInstances", "DescribeVpcs"]})
    out = run("help", "operations")[1]
    assert "  run-instances\n" in out and "describe-regions" not in out and "more are known" in out


# --- manual pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("man")
    with subprocess.Popen([BUILD / "minicloud-api", "--operations", "yes", "--config", "/dev/null"],
                          stdout=subprocess.PIPE) as names:
        subprocess.run([BUILD / "minicloud", "__man", directory], stdin=names.stdout, check=True,
                       env={**os.environ, "LC_ALL": "C.UTF-8"})
    return directory


def test_there_is_a_page_for_everything(pages):
    found = {p.name for p in pages.iterdir()}
    assert {"minicloud.1", *(f"minicloud-{c}.1" for c in COMMANDS)} < found
    assert len(found) == 1 + len(COMMANDS) + len(built())
    assert {"minicloud-run-instances.1", "minicloud-kms-tag-resource.1", "minicloud-dlm-tag-resource.1"} < found


def test_pages_are_well_formed(pages):
    if not shutil.which("groff"):
        pytest.skip("no groff here")
    files = sorted(pages.iterdir())
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", pages / "minicloud-wait.1"], capture_output=True, text=True,
                           check=True).stdout
    assert "instance-running" in shown and "NAME" in shown and 'eval "$(minicloud env)"' in subprocess.run(
        ["groff", "-man", "-Tascii", "-P-cbou", pages / "minicloud-env.1"], capture_output=True, text=True, check=True).stdout


# --- completion


def offers(run, *words):
    """What may stand where the last word is."""
    status, out, err = run("__complete", str(len(words)), "minicloud", *words)
    assert (status, err) == (0, "")
    return [line.split("\t")[0] for line in out.splitlines()]


def cloud_of(api):
    api.answers["ec2.DescribeInstances"] = [(200, instances(Tags=[{"Key": "Name", "Value": "web"}]))]
    api.answers["ec2.DescribeVolumes"] = [(200, {"Volumes": [{"VolumeId": VOLUME, "State": "available"}]})]
    api.answers["ec2.DescribeVpcs"] = [(200, {"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]})]
    api.answers["ec2.DescribeNatGateways"] = [(200, {"NatGateways": [{"NatGatewayId": "nat-1"}]})]
    api.answers["ec2.DescribeKeyPairs"] = [(200, {"KeyPairs": [{"KeyName": "mine"}]})]
    api.answers["ec2.DescribeRegions"] = [(200, {"Regions": [{"RegionName": "eu-west-1"}]})]
    api.answers["ec2.DescribeSecurityGroups"] = [(200, {"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "g"}]})]
    api.answers["ec2.DescribeSubnets"] = [(200, {"Subnets": []})]


@pytest.mark.parametrize("words,wanted", [
    (["run-inst"], ["run-instances"]),
    (["ec2", "run-inst"], ["run-instances"]),
    (["rbi"], ["rbin"]),
    (["rbin", "tag"], ["tag-resource"]),
    (["dlm", "tag-resource", "--res"], ["--resource-arn"]),
    (["help", "dlm", "unta"], ["untag-resource"]),
    (["cons"], ["console"]),
    (["--region", "x", "terminate-i"], ["terminate-instances"]),
    (["run-instances", "--image"], ["--image-id"]),
    (["run-instances", "--no-w"], ["--no-wait"]),
    (["run-instances", "--output", ""], ["json", "text", "table", "csv", "yaml"]),
    (["run-instances", "--output=t"], ["--output=text", "--output=table"]),
    (["run-instances", "--output", "=", "y"], ["yaml"]),
    (["create-volume", "--volume-type", "gp"], ["gp2", "gp3"]),
    (["describe-vpcs", "--vpc-ids", ""], ["vpc-1", "vpc-2"]),
    (["describe-vpcs", "--vpc-ids", "vpc-1", "vpc-2"], ["vpc-2"]),
    (["delete-nat-gateway", "--nat-gateway-id", ""], ["nat-1"]),
    (["stop-instances", "--instance-ids", "i-"], [INSTANCE]),
    (["run-instances", "--key-name", ""], ["mine"]),
    (["run-instances", "--security-group-ids", ""], ["sg-1"]),
    (["create-tags", "--resources", "v"], [VOLUME, "vpc-1", "vpc-2"]),
    (["console", ""], [INSTANCE, "--force"]),
    (["ssh", "i"], [INSTANCE]),
    (["wait", "nat-gateway-"], ["nat-gateway-available", "nat-gateway-deleted"]),
    (["wait", "instance-running", "--instance-ids", ""], [INSTANCE]),
    (["--region", ""], ["eu-west-1"]),
    (["authorize-security-group-ingress", "--protocol", ""], ["tcp", "udp", "icmp", "all"]),
    (["top", "--o"], ["--once", "--output"]),
    (["top", "--delay", ""], []),
    (["help", "describe-vp"], ["describe-vpcs", "describe-vpc-attribute"]),
])
def test_what_may_come_next(api, run, words, wanted):
    cloud_of(api)
    found = offers(run, *words)
    assert set(wanted) <= set(found) and (len(found) == len(wanted) or "help" in words)


def test_completion_without_a_cloud(run):
    assert offers(run, "describe-vpcs", "--vpc-ids", "") == []


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"source {ROOT}/deploy/completion/minicloud.bash"),
    "zsh": (["zsh", "-f", "-i"], f"fpath=({ROOT}/deploy/completion $fpath); autoload -U compinit; compinit -D -u; bindkey -e"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell(api, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    cloud_of(api)
    command, setup = SHELLS[shell]
    environment = {"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(tmp_path), "MINICLOUD_RUN": str(tmp_path),
                   "LC_ALL": "C.UTF-8", "PS1": "> "}
    with Terminal(command, environment, columns=200) as t:
        t.type(setup + "; echo rea''dy\r")
        t.expect(r"ready\s[\s\S]*> ")
        t.type("minicloud terminate-inst")
        t.expect("terminate-inst")  # a tab that zsh has not waited for is one
        t.type("\t")
        t.expect("ances")
        t.type("--instance-i")
        t.expect("instance-i")
        t.type("\t")
        t.expect("ds")
        t.type("\t")
        t.expect(INSTANCE)
        t.type("\x15minicloud wait nat-gateway-")
        t.expect("nat-gateway-")
        t.type("\t\t")
        t.expect("nat-gateway-deleted")
        t.type("\x15exit\r")
        assert t.end() == 0


def test_compgen_of_bash():
    script = f"""source {ROOT}/deploy/completion/minicloud.bash
        COMP_WORDS=({BUILD}/minicloud create-volume --volume-type i) COMP_CWORD=3; _minicloud; echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["io1", "io2"]
