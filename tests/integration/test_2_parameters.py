"""Systems Manager's public parameters: where examples look their image up."""

from cloud import OTHER_REGION, error_of

TINY = "/aws/service/minicloud/tiny"
DEBIAN = "/aws/service/debian/release/12/latest/amd64"


def test_parameter_names_the_image(cloud, aws_program):
    answer = cloud.aws("ssm", "get-parameter", "--name", TINY, program=aws_program)["Parameter"]
    assert answer["Value"] == cloud.tiny_image() and answer["Name"] == TINY and answer["Type"] == "String"


def test_parameters(cloud):
    ssm = cloud.client("ssm")
    answer = ssm.get_parameters(Names=[DEBIAN, "/nowhere"])
    assert [p["Value"] for p in answer["Parameters"]] == [cloud.tiny_image()]
    assert answer["InvalidParameters"] == ["/nowhere"]
    arn = answer["Parameters"][0]["ARN"]
    assert ssm.get_parameter(Name=arn)["Parameter"]["Name"] == DEBIAN
    assert error_of(ssm.get_parameter, Name="/nowhere")[0] == "ParameterNotFound"


def test_by_path(cloud):
    ssm = cloud.client("ssm")
    assert ssm.get_parameters_by_path(Path="/aws/service")["Parameters"] == []
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path="/aws/service", Recursive=True, PaginationConfig={"PageSize": 2})
    names = [p["Name"] for page in pages for p in page["Parameters"]]
    assert TINY in names and DEBIAN in names and len(names) == len(set(names)) > 2


def test_versions(cloud, aws_program):
    """Each image of the name is a version; there is one."""
    answer = cloud.aws("ssm", "get-parameter", "--name", TINY + ":1", "--with-decryption", program=aws_program)["Parameter"]
    assert (answer["Value"], answer["Version"], answer["Selector"]) == (cloud.tiny_image(), 1, ":1")
    assert answer["Name"] == TINY and answer["ARN"].endswith(":parameter" + TINY)
    ssm = cloud.client("ssm")
    assert ssm.get_parameter(Name=answer["ARN"] + ":1")["Parameter"]["Value"] == cloud.tiny_image()
    code, status, message = error_of(ssm.get_parameter, Name=TINY + ":2")
    assert (code, status) == ("ParameterVersionNotFound", 400) and TINY in message
    assert error_of(ssm.get_parameter, Name=TINY + ":label")[0] == "ParameterVersionNotFound"
    assert ssm.get_parameters(Names=[TINY + ":2"])["InvalidParameters"] == [TINY + ":2"]


def test_limits_and_filters(cloud):
    ssm = cloud.client("ssm")
    names = [f"/nowhere/{n}" for n in range(11)]
    assert len(ssm.get_parameters(Names=names[:10])["InvalidParameters"]) == 10
    code, _, message = error_of(ssm.get_parameters, Names=names)
    assert code == "ValidationException" and message.endswith("Member must have length less than or equal to 10")
    page = {"Path": "/aws/service", "Recursive": True}
    assert error_of(ssm.get_parameters_by_path, **page, MaxResults=11)[0] == "ValidationException"
    assert error_of(ssm.get_parameters_by_path, Path="aws/service")[0] == "ValidationException"
    assert error_of(ssm.get_parameters_by_path, **page, NextToken="nonsense")[0] == "InvalidNextToken"

    def found(**one):
        return ssm.get_parameters_by_path(**page, ParameterFilters=[one])["Parameters"]
    assert found(Key="Type", Values=["String"]) and not found(Key="Type", Values=["SecureString"])
    assert not found(Key="Label", Values=["x"])
    assert error_of(found, Key="Name", Values=["x"])[0] == "InvalidFilterKey"


def test_regions_have_their_own(cloud):
    here, there = (cloud.client("ssm", region=r).get_parameter(Name=TINY)["Parameter"]
                   for r in (cloud.client().meta.region_name, OTHER_REGION))
    assert here["Value"] != there["Value"]


def test_run_instances_resolves(cloud):
    """In the other region: tests that come later count the instances of the first."""
    ec2, name = cloud.client(region=OTHER_REGION), "resolve:ssm:" + TINY
    answer = ec2.run_instances(ImageId=name, InstanceType="t3.nano", MinCount=1, MaxCount=1)["Instances"][0]
    assert answer["ImageId"] == cloud.tiny_image(OTHER_REGION)
    ec2.terminate_instances(InstanceIds=[answer["InstanceId"]])
    cloud.wait_state(answer["InstanceId"], "terminated", region=OTHER_REGION)
    error = error_of(ec2.run_instances, ImageId="resolve:ssm:/nowhere", MinCount=1, MaxCount=1)
    assert error[0] == "ParameterNotFound"
