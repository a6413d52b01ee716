"""CloudWatch by boto3 and the AWS CLI, in each of the protocols that clients of it speak."""

import datetime
import gzip
import json
import math
import re
import shutil

import botocore.config
import botocore.parsers
import botocore.serialize
import botocore.session
import cbor2
import pytest

from cloud import error_of

MINUTE = datetime.timedelta(minutes=1)


# One for all: a minute may end within a test.
BASE = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)


def minutes_ago(n):
    return BASE - n * MINUTE


CBOR = "smithy-rpc-v2-cbor"
OTHER = {"jsonVersion": "1.0", "targetPrefix": "GraniteServiceVersion20100801"}


class CborSerializer(botocore.serialize.JSONSerializer):
    """What today's botocore does for this protocol, for one that is older."""

    def serialize_to_request(self, parameters, operation_model):
        request = super().serialize_to_request(parameters, operation_model)
        target = request["headers"].pop("X-Amz-Target").split(".")
        request["url_path"] = f"/service/{target[0]}/operation/{target[1]}"
        request["headers"].update({"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"})
        request["body"] = cbor2.dumps(parameters, datetime_as_timestamp=True)
        return request


class CborParser(botocore.parsers.JSONParser):
    def _parse_body_as_json(self, body_contents):
        return plain(cbor2.loads(body_contents))


def plain(value):
    """Times as the seconds that JSON has."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.timestamp() if isinstance(value, datetime.datetime) else value


botocore.serialize.SERIALIZERS.setdefault(CBOR, CborSerializer)
botocore.parsers.PROTOCOL_PARSERS.setdefault(CBOR, CborParser)


def speaking(api, protocol):
    """A client whose model has this protocol alone, as clients of another age have."""
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    whole = loader.load_service_model

    def load_service_model(service, kind, api_version=None):
        model = whole(service, kind, api_version=api_version)
        if service == "cloudwatch" and kind == "service-2":
            model = {**model, "metadata": {**model["metadata"], **OTHER, "protocol": protocol, "protocols": [protocol]}}
        return model
    loader.load_service_model = load_service_model
    return session.create_client("cloudwatch", region_name="us-east-1", endpoint_url=api.endpoint,
                                 config=botocore.config.Config(retries={"max_attempts": 0}, proxies={}, parameter_validation=False),
                                 aws_access_key_id=api.key, aws_secret_access_key=api.secret)


@pytest.fixture(params=[CBOR, "json", "query"])
def cloudwatch(request, api):
    client = speaking(api, request.param)
    sent = []
    client.meta.events.register("before-send.cloudwatch", lambda request, **_: sent.append(request))
    client.space = f"Test/{request.param}"
    yield client
    types = {"smithy-rpc-v2-cbor": "application/cbor", "json": "application/x-amz-json-1.0", "query": "application/x-www-form-urlencoded"}
    assert sent and all(types[request.param] in str(s.headers["Content-Type"]) for s in sent)


DIMS = [{"Name": "Host", "Value": "a & b"}]


def put(client, name, values, start=10, **more):
    client.put_metric_data(Namespace=client.space, MetricData=[
        {"MetricName": name, "Dimensions": DIMS, "Timestamp": minutes_ago(start - i), "Value": v, "Unit": "Seconds", **more}
        for i, v in enumerate(values)])


def statistics(client, name, period, names, start=10, **more):
    answer = client.get_metric_statistics(Namespace=client.space, MetricName=name, Dimensions=DIMS, StartTime=minutes_ago(start),
                                          EndTime=minutes_ago(0), Period=period, Statistics=names, **more)
    assert answer["Label"] == name
    return sorted(answer["Datapoints"], key=lambda p: p["Timestamp"])


def test_what_is_put_is_what_is_read(cloudwatch):
    put(cloudwatch, "Latency", [1.5, 2, 0.25, -3, 1e-9])
    points = statistics(cloudwatch, "Latency", 60, ["Average", "Sum", "Minimum", "Maximum", "SampleCount"])
    assert [p["Sum"] for p in points] == [1.5, 2, 0.25, -3, 1e-9]
    assert [p["Timestamp"] for p in points] == [minutes_ago(10 - i) for i in range(5)]
    assert all(p["Unit"] == "Seconds" and p["SampleCount"] == 1 and p["Minimum"] == p["Maximum"] == p["Average"] for p in points)
    (whole,) = statistics(cloudwatch, "Latency", 600, ["Average", "Sum", "Minimum", "Maximum", "SampleCount"])
    assert whole["SampleCount"] == 5 and math.isclose(whole["Sum"], 0.75 + 1e-9) and (whole["Minimum"], whole["Maximum"]) == (-3, 2)
    assert statistics(cloudwatch, "Latency", 60, ["Sum"], Unit="Bytes") == []


def test_percentiles_of_values_and_of_sets(cloudwatch):
    cloudwatch.put_metric_data(Namespace=cloudwatch.space, MetricData=[
        {"MetricName": "Sizes", "Timestamp": minutes_ago(3), "Values": list(range(1, 101)), "Counts": [1] * 100},
        {"MetricName": "Sets", "Timestamp": minutes_ago(3), "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}}])

    def read(name, **what):
        return cloudwatch.get_metric_statistics(Namespace=cloudwatch.space, MetricName=name, StartTime=minutes_ago(5), EndTime=minutes_ago(0),
                                                Period=60, **what)["Datapoints"]
    (point,) = read("Sizes", ExtendedStatistics=["p50", "p99", "p100", "p99.9"])
    assert point["ExtendedStatistics"] == {"p50": 50, "p99": 99, "p100": 100, "p99.9": 100}
    (point,) = read("Sets", Statistics=["Average", "Maximum"])
    assert (point["Average"], point["Maximum"]) == (2.5, 4)
    assert read("Sets", ExtendedStatistics=["p50"]) == [], "a statistic set has no percentiles"


def query(name, metric, stat="Sum", period=60, **more):
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def test_metric_data_pages_and_math(cloudwatch):
    put(cloudwatch, "Requests", [10, 20, 30, 40])
    put(cloudwatch, "Faults", [1, 0, 3], start=9)
    requests, faults = ({"Namespace": cloudwatch.space, "MetricName": n, "Dimensions": DIMS} for n in ("Requests", "Faults"))
    asked = {"StartTime": minutes_ago(10), "EndTime": minutes_ago(5), "ScanBy": "TimestampAscending", "MetricDataQueries": [
        query("m1", requests), query("m2", faults, ReturnData=False),
        {"Id": "share", "Expression": "100 * m2 / m1", "Label": "share of faults"},
        {"Id": "filled", "Expression": "FILL(m2, 0) + SUM(m1)"},
        {"Id": "both", "Expression": "SUM(METRICS()) - [m1, m2]"}]}
    results = cloudwatch.get_metric_data(**asked)["MetricDataResults"]
    values = [(r["Id"], r["Label"], r["Values"]) for r in results]
    assert values[0] == ("m1", "Requests", [10, 20, 30, 40])
    assert values[1] == ("share", "share of faults", [5, 0, 7.5])
    assert values[2] == ("filled", "filled", [100, 101, 100, 103, 100])
    assert values[3:] == [("both", "both", [0, 1, 0, 3]), ("both", "both", [20, 30, 40])]
    assert results[1]["Timestamps"] == [minutes_ago(9), minutes_ago(8), minutes_ago(7)]
    pages = list(cloudwatch.get_paginator("get_metric_data").paginate(**asked, MaxDatapoints=3))
    assert len(pages) > 5 and all(sum(len(r["Values"]) for r in p["MetricDataResults"]) <= 3 for p in pages)
    joined = [v for p in pages for r in p["MetricDataResults"] for v in r["Values"]]
    assert joined == [v for r in results for v in r["Values"]]
    assert pages[0]["MetricDataResults"][0]["StatusCode"] == "PartialData"
    newest = cloudwatch.get_metric_data(**{**asked, "ScanBy": "TimestampDescending"})["MetricDataResults"][0]
    assert newest["Values"] == [40, 30, 20, 10] and newest["StatusCode"] == "Complete"
    for wrong in ("m1 +", "NONESUCH(m1)", "3 * 4", "m9", "bad bad", "(m1", "SUM(m1, m2)"):
        broken = {**asked, "MetricDataQueries": [query("m1", requests), {"Id": "e", "Expression": wrong}]}
        assert error_of(cloudwatch.get_metric_data, **broken)[0] == "ValidationError", wrong
    circle = [{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a"}]
    assert error_of(cloudwatch.get_metric_data, **{**asked, "MetricDataQueries": circle})[0] == "ValidationError"


def test_seconds(cloudwatch):
    at = minutes_ago(2)
    for resolution, name in ((1, "Fine"), (60, "Coarse")):
        cloudwatch.put_metric_data(Namespace=cloudwatch.space, MetricData=[
            {"MetricName": name, "Timestamp": at + datetime.timedelta(seconds=s), "Value": s, "StorageResolution": resolution} for s in range(0, 20)])

    def read(name, period):
        (result,) = cloudwatch.get_metric_data(StartTime=at, EndTime=at + MINUTE, ScanBy="TimestampAscending", MetricDataQueries=[
            query("m", {"Namespace": cloudwatch.space, "MetricName": name}, period=period)])["MetricDataResults"]
        return result["Values"]
    assert read("Fine", 1) == list(range(20)) and read("Fine", 10) == [45, 145]
    assert read("Fine", 60) == read("Coarse", 60) == [190] and read("Coarse", 1) == []


def test_list_metrics(cloudwatch):
    cloudwatch.put_metric_data(Namespace=cloudwatch.space + "/Many", MetricData=[
        {"MetricName": f"m{n % 2}", "Dimensions": [{"Name": "N", "Value": str(n)}, {"Name": "Kind", "Value": "x"}], "Value": 1} for n in range(600)])
    listed = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace=cloudwatch.space + "/Many"))
    assert [len(p["Metrics"]) for p in listed] == [500, 100]
    half = [m for p in cloudwatch.get_paginator("list_metrics").paginate(Namespace=cloudwatch.space + "/Many", MetricName="m1", RecentlyActive="PT3H")
            for m in p["Metrics"]]
    assert len(half) == 300 and {m["MetricName"] for m in half} == {"m1"}
    (one,) = cloudwatch.list_metrics(Dimensions=[{"Name": "N", "Value": "77"}, {"Name": "Kind"}], Namespace=cloudwatch.space + "/Many")["Metrics"]
    assert one == {"Namespace": cloudwatch.space + "/Many", "MetricName": "m1", "Dimensions": [{"Name": "Kind", "Value": "x"}, {"Name": "N", "Value": "77"}]}
    assert error_of(cloudwatch.list_metrics, NextToken="nonsense")[0] == "InvalidNextToken"


def test_refused(cloudwatch):
    datum = {"MetricName": "m", "Value": 1.0}

    def put_error(space=cloudwatch.space, **more):
        return error_of(cloudwatch.put_metric_data, Namespace=space, MetricData=[{**datum, **more}])[0]
    assert put_error("AWS/EC2") == "InvalidParameterValue"
    assert put_error(Timestamp=minutes_ago(15 * 24 * 60)) == "InvalidParameterValue"
    assert put_error(Timestamp=minutes_ago(-240)) == "InvalidParameterValue"
    assert put_error(StatisticValues={"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}) == "InvalidParameterCombination"
    assert put_error(Value=1e200) == "InvalidParameterValue"
    if not cloudwatch.space.endswith("json"):  # which has no such number
        assert put_error(Value=float("nan")) == put_error(Value=float("-inf")) == "InvalidParameterValue"
    assert put_error(Dimensions=[{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]) == "InvalidParameterValue"
    assert put_error(StorageResolution=5) == "InvalidParameterValue" and put_error(Unit="Fathoms") == "InvalidParameterValue"
    assert error_of(cloudwatch.put_metric_data, Namespace=cloudwatch.space, MetricData=[{"MetricName": "m"}])[0] == "MissingParameter"
    whole = {"Namespace": cloudwatch.space, "MetricName": "m", "StartTime": minutes_ago(10), "EndTime": minutes_ago(0), "Period": 60, "Statistics": ["Sum"]}

    def read_error(**more):
        return error_of(cloudwatch.get_metric_statistics, **{**whole, **more})[0]
    assert read_error(StartTime=minutes_ago(0)) == "InvalidParameterCombination"
    assert read_error(StartTime=minutes_ago(1500)) == "InvalidParameterCombination", "more than 1,440 datapoints"
    assert read_error(Period=90) == "InvalidParameterValue" and read_error(Statistics=["Median"]) == "InvalidParameterValue"
    del whole["Statistics"]
    assert read_error() == "MissingParameter"
    whole["Statistics"] = ["Sum"]
    assert read_error(ExtendedStatistics=["p50"]) == "InvalidParameterCombination"
    assert error_of(cloudwatch.describe_alarms)[0] == "UnsupportedOperation", "alarms come later"


def test_compressed(api):
    """As boto3 sends what is more than 10 KiB: the compressed body is what is signed."""
    client = speaking(api, CBOR)

    def compress(params, **_):
        params["body"] = gzip.compress(params["body"])
        params["headers"]["Content-Encoding"] = "gzip"
    client.meta.events.register("before-call.cloudwatch.PutMetricData", compress)
    metric = {"Namespace": "Test/zip", "MetricName": "zipped", "Dimensions": [{"Name": "N", "Value": "x" * 100}]}
    client.put_metric_data(Namespace="Test/zip", MetricData=[
        {"MetricName": "zipped", "Timestamp": minutes_ago(2), "Dimensions": metric["Dimensions"], "Value": n} for n in range(300)])
    (result,) = client.get_metric_data(StartTime=minutes_ago(5), EndTime=minutes_ago(0), MetricDataQueries=[query("m", metric)])["MetricDataResults"]
    assert result["Values"] == [sum(range(300))]
    large = [{"MetricName": "n" * 250, "Value": 1}] * 1000 * 8  # 2 MiB, some KiB compressed
    assert error_of(client.put_metric_data, Namespace="Test/zip", MetricData=large)[0] == "RequestEntityTooLarge"


def test_kept_through_a_kill(api):
    client = speaking(api, CBOR)
    client.space = "Test/kill"
    put(client, "Kept", [7, 8])
    api.kill()
    api.start()
    client = speaking(api, CBOR)
    client.space = "Test/kill"
    assert [p["Sum"] for p in statistics(client, "Kept", 60, ["Sum"])] == [7, 8]


@pytest.fixture(params=["aws", "/usr/bin/aws"])
def aws_program(request):
    if not shutil.which(request.param):
        pytest.skip(f"SKIPPED LOUDLY: there is no {request.param}")
    return shutil.which(request.param)


def test_aws_cloudwatch(api, aws_program):
    space = "Cli/" + re.sub("[^a-z]", "", aws_program)
    api.aws(aws_program, "cloudwatch", "put-metric-data", "--namespace", space, "--metric-name", "Temp", "--value", "21.5", "--unit", "None",
            "--dimensions", "Room=kitchen")
    listed = json.loads(api.aws(aws_program, "cloudwatch", "list-metrics", "--namespace", space).stdout)["Metrics"]
    assert listed == [{"Namespace": space, "MetricName": "Temp", "Dimensions": [{"Name": "Room", "Value": "kitchen"}]}]
    answer = json.loads(api.aws(aws_program, "cloudwatch", "get-metric-statistics", "--namespace", space, "--metric-name", "Temp", "--dimensions",
                                "Name=Room,Value=kitchen", "--start-time", minutes_ago(60).isoformat(), "--end-time", minutes_ago(-120).isoformat(),
                                "--period", "60", "--statistics", "Average").stdout)
    assert [p["Average"] for p in answer["Datapoints"]] == [21.5]
