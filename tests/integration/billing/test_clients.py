"""Cost Explorer, Budgets and the Price List by boto3 and the AWS CLI."""

import datetime
import decimal
import http.server
import json
import os
import queue
import threading

import pytest

from cloud import DEBIAN_AWS, error_of, wait_until
from lone_api import PATIENCE_S

D = decimal.Decimal
ACCOUNT = "123456789012"
INSTANCES = [f"i-{n:017x}" for n in range(3)]


def today(offset=0):
    return (datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=offset)).isoformat()


@pytest.fixture(scope="module", autouse=True)
def past(api):
    """Ten days of two years ago: m5.large all day, t3.micro half of it."""
    api.stop()
    for day in range(1, 11):
        api.add_usage("i-00000000000000aaa", "instance", "m5.large", f"2024-05-{day:02d}", 24, tags={"team": "red"})
        api.add_usage("i-00000000000000bbb", "instance", "t3.micro", f"2024-05-{day:02d}", 12, tags={"team": "blue"})
        api.add_usage("vol-0000000000000ccc", "volume", "gp3", f"2024-05-{day:02d}", 24, quantity=100)
    api.start()


@pytest.fixture
def ce(api):
    return api.client("ce")



MAY = {"Start": "2024-05-01", "End": "2024-06-01"}
VOLUME_DAY = (100 * D("0.08") / 31).quantize(D("0.000000001"), rounding=decimal.ROUND_HALF_UP)


def cost(result, metric="UnblendedCost"):
    return D(result[metric]["Amount"])


def test_month_by_service(ce):
    answer = ce.get_cost_and_usage(TimePeriod=MAY, Granularity="MONTHLY", Metrics=["UnblendedCost", "UsageQuantity"],
                                   GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}])
    (month,) = answer["ResultsByTime"]
    assert month["TimePeriod"] == MAY and month["Estimated"] is False and month["Total"] == {}
    found = {g["Keys"][0]: g["Metrics"] for g in month["Groups"]}
    assert cost(found["Amazon Elastic Compute Cloud - Compute"]) == 10 * (24 * D("0.096") + 12 * D("0.0104"))
    assert cost(found["EC2 - Other"]) == 10 * VOLUME_DAY
    assert found["Amazon Elastic Compute Cloud - Compute"]["UsageQuantity"] == {"Amount": "360.000000000", "Unit": "Hrs"}
    assert found["EC2 - Other"]["UnblendedCost"]["Unit"] == "USD"


def test_days_and_what_nothing_happened_on(ce):
    answer = ce.get_cost_and_usage(TimePeriod={"Start": "2024-05-09", "End": "2024-05-13"}, Granularity="DAILY",
                                   Metrics=["UnblendedCost"], Filter={"Dimensions": {"Key": "INSTANCE_TYPE", "Values": ["t3.micro"]}})
    assert [cost(r["Total"]) for r in answer["ResultsByTime"]] == [D("0.1248"), D("0.1248"), 0, 0]
    assert answer["ResultsByTime"][0]["TimePeriod"] == {"Start": "2024-05-09", "End": "2024-05-10"}


def test_hours_add_up_to_the_day(ce):
    hours = ce.get_cost_and_usage(TimePeriod={"Start": "2024-05-02T00:00:00Z", "End": "2024-05-03T00:00:00Z"}, Granularity="HOURLY",
                                  Metrics=["UnblendedCost", "UsageQuantity"],
                                  Filter={"Tags": {"Key": "team", "Values": ["blue"]}})["ResultsByTime"]
    assert len(hours) == 24 and sum(cost(h["Total"]) for h in hours) == D("0.1248")
    assert [h["Total"]["UsageQuantity"]["Amount"] for h in hours[11:13]] == ["1.000000000", "0.000000000"]


def test_tags_filters_and_two_groups(ce):
    answer = ce.get_cost_and_usage(TimePeriod=MAY, Granularity="MONTHLY", Metrics=["UnblendedCost"],
                                   GroupBy=[{"Type": "TAG", "Key": "team"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}])
    groups = {tuple(g["Keys"]): cost(g["Metrics"]) for g in answer["ResultsByTime"][0]["Groups"]}
    assert groups[("team$red", "BoxUsage:m5.large")] == 10 * 24 * D("0.096")
    assert groups[("team$", "EBS:VolumeUsage.gp3")] == 10 * VOLUME_DAY
    only = ce.get_cost_and_usage(TimePeriod=MAY, Granularity="MONTHLY", Metrics=["UnblendedCost"], Filter={"And": [
        {"Not": {"Dimensions": {"Key": "SERVICE", "Values": ["EC2 - Other"]}}}, {"Or": [
            {"Tags": {"Key": "team", "Values": ["BL"], "MatchOptions": ["STARTS_WITH", "CASE_INSENSITIVE"]}},
            {"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}}]}]})
    assert cost(only["ResultsByTime"][0]["Total"]) == D("1.248")


def test_resources(ce):
    answer = ce.get_cost_and_usage_with_resources(TimePeriod={"Start": today(-1), "End": today(1)}, Granularity="DAILY",
                                                  Metrics=["UnblendedCost"], GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}],
                                                  Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"]}})
    keys = {g["Keys"][0] for r in answer["ResultsByTime"] for g in r["Groups"]}
    assert keys == {INSTANCES[0], INSTANCES[1]}


def test_dimension_values_and_tags(ce):
    values = ce.get_dimension_values(TimePeriod=MAY, Dimension="INSTANCE_TYPE")
    assert [v["Value"] for v in values["DimensionValues"]] == ["NoInstanceType", "m5.large", "t3.micro"]
    assert values["TotalSize"] == values["ReturnSize"] == 3
    assert ce.get_tags(TimePeriod=MAY)["Tags"] == ["team"]
    assert ce.get_tags(TimePeriod=MAY, TagKey="team")["Tags"] == ["", "blue", "red"]
    assert ce.get_tags(TimePeriod=MAY, TagKey="team", SearchString="re")["Tags"] == ["red"]


def month_days(month):
    year, number = map(int, month.split("-")[:2])
    return (datetime.date(year + number // 12, number % 12 + 1, 1) - datetime.date(year, number, 1)).days


def test_forecast_is_what_runs_now(ce, api):
    """What is priced by the month is so by the length of each day's own."""
    bill = api.json("bill", "--by", "usage")
    monthly = sum(D(g["rate"]) for g in bill["groups"] if g["key"].startswith("EBS:")) * month_days(bill["month"])
    hourly = sum(D(g["rate"]) for g in bill["groups"] if not g["key"].startswith("EBS:"))
    answer = ce.get_cost_forecast(TimePeriod={"Start": today(1), "End": today(4)}, Metric="UNBLENDED_COST", Granularity="DAILY",
                                  PredictionIntervalLevel=80)
    days = [D(r["MeanValue"]) for r in answer["ForecastResultsByTime"]]
    lengths = [month_days(r["TimePeriod"]["Start"]) for r in answer["ForecastResultsByTime"]]
    assert len(days) == 3 and all(abs(d - 24 * (hourly + monthly / n)) < D("0.00001") for d, n in zip(days, lengths))
    assert D(answer["Total"]["Amount"]) == sum(days)
    first = answer["ForecastResultsByTime"][0]
    assert D(first["PredictionIntervalLowerBound"]) <= days[0] <= D(first["PredictionIntervalUpperBound"])


@pytest.mark.parametrize("change, code", [
    ({"TimePeriod": {"Start": "2024-05-02", "End": "2024-05-02"}}, "ValidationException"),
    ({"TimePeriod": {"Start": "yesterday", "End": "2024-05-02"}}, "ValidationException"),
    ({"Metrics": ["Guess"]}, "ValidationException"),
    ({"GroupBy": [{"Type": "DIMENSION", "Key": "COLOUR"}]}, "ValidationException"),
    ({"Filter": {"Dimensions": {"Key": "CACHE_ENGINE", "Values": ["x"]}}}, "ValidationException"),
    ({"Filter": {"Tags": {"Key": "a", "Values": ["x"]}, "Dimensions": {"Key": "AZ", "Values": ["x"]}}}, "ValidationException"),
])
def test_refusals(ce, change, code):
    request = {"TimePeriod": MAY, "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"], **change}
    assert error_of(ce.get_cost_and_usage, **request)[:2] == (code, 400)


def test_aws_ce(api, aws_program):
    answer = json.loads(api.aws(aws_program, "ce", "get-cost-and-usage", "--time-period", "Start=2024-05-01,End=2024-06-01", "--granularity",
                                "MONTHLY", "--metrics", "UnblendedCost", "--group-by", "Type=TAG,Key=team").stdout)
    assert [g["Keys"] for g in answer["ResultsByTime"][0]["Groups"]] == [["team$"], ["team$blue"], ["team$red"]]


def test_aws_ce_operations(api):
    def ask(operation, *words):
        return json.loads(api.aws(DEBIAN_AWS, "ce", operation, *words).stdout)
    may = ("--time-period", "Start=2024-05-01,End=2024-06-01")
    assert ask("get-tags", *may, "--tag-key", "team")["Tags"] == ["", "blue", "red"]
    assert [v["Value"] for v in ask("get-dimension-values", *may, "--dimension", "SERVICE")["DimensionValues"]] == [
        "Amazon Elastic Compute Cloud - Compute", "EC2 - Other"]
    hours = ask("get-cost-and-usage", "--time-period", "Start=2024-05-02T00:00:00Z,End=2024-05-02T05:00:00Z", "--granularity", "HOURLY", "--metrics",
                "UnblendedCost", "UsageQuantity", "--filter", json.dumps({"Dimensions": {"Key": "INSTANCE_TYPE", "Values": ["m5.large"]}}))
    assert [h["Total"]["UsageQuantity"]["Amount"] for h in hours["ResultsByTime"]] == ["1.000000000"] * 5
    forecast = ask("get-cost-forecast", "--time-period", f"Start={today(1)},End={today(3)}", "--metric", "UNBLENDED_COST", "--granularity", "DAILY")
    assert D(forecast["Total"]["Amount"]) > 0
    shown = ask("get-cost-and-usage-with-resources", "--time-period", f"Start={today(-1)},End={today(1)}", "--granularity", "DAILY", "--metrics",
                "UnblendedCost", "--group-by", "Type=DIMENSION,Key=RESOURCE_ID", "--filter",
                json.dumps({"Dimensions": {"Key": "SERVICE", "Values": ["EC2 - Other"]}}))
    assert {g["Keys"][0] for r in shown["ResultsByTime"] for g in r["Groups"]} >= {f"vol-{n:017x}" for n in range(3)}


# --- budgets


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        self.server.bodies.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def hook(api):
    """A web hook the operator allows, and a sendmail that writes down what it gets."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.bodies = queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    box = api.own / "mail"
    box.mkdir()
    box.chmod(0o777)
    sendmail = api.own / "sendmail"
    sendmail.write_text(f'#!/bin/sh\ncat > {box}/part.$$ && mv {box}/part.$$ {box}/mail.$$\n', encoding="ascii")
    sendmail.chmod(0o755)
    api.own.chmod(0o755)
    api.stop()
    api.configure(budget_interval=1, webhook_allow=f"http://127.0.0.1:{server.server_port}/hooks/", sendmail=sendmail)
    api.start()
    server.url, server.box = f"http://127.0.0.1:{server.server_port}/hooks/one", box
    yield server
    server.shutdown()


def budget(name, amount, **more):
    return {"BudgetName": name, "BudgetLimit": {"Amount": amount, "Unit": "USD"}, "TimeUnit": "MONTHLY", "BudgetType": "COST", **more}


def test_budget_life(api):
    budgets = api.client("budgets")
    budgets.create_budget(AccountId=ACCOUNT, Budget=budget("life", "100", CostFilters={"Service": ["EC2 - Other"]}))
    assert error_of(budgets.create_budget, AccountId=ACCOUNT, Budget=budget("life", "1"))[0] == "DuplicateRecordException"
    shown = budgets.describe_budget(AccountId=ACCOUNT, BudgetName="life")["Budget"]
    assert shown["BudgetLimit"] == {"Amount": "100", "Unit": "USD"} and shown["TimePeriod"]["End"].year == 2087
    spent = {k: D(v["Amount"]) for k, v in shown["CalculatedSpend"].items()}
    assert 0 <= spent["ActualSpend"] <= spent["ForecastedSpend"]
    budgets.update_budget(AccountId=ACCOUNT, NewBudget=budget("life", "200"))
    assert budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"][0]["BudgetLimit"]["Amount"] == "200"
    budgets.delete_budget(AccountId=ACCOUNT, BudgetName="life")
    assert error_of(budgets.describe_budget, AccountId=ACCOUNT, BudgetName="life")[0] == "NotFoundException"
    assert error_of(budgets.create_budget, AccountId=ACCOUNT, Budget=budget("x", "0"))[0] == "InvalidParameterException"
    assert error_of(budgets.create_budget, AccountId=ACCOUNT, Budget=budget("x", "1", CostFilters={"Weather": ["x"]}))[0] == "InvalidParameterException"


def notification(kind, threshold, **more):
    return {"NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": threshold, "ThresholdType": "PERCENTAGE", **more}


def test_notified_once_by_hook_and_mail(api, hook):
    budgets = api.client("budgets")
    budgets.create_budget(AccountId=ACCOUNT, Budget=budget("small", "0.0001"), NotificationsWithSubscribers=[
        {"Notification": notification("ACTUAL", 80.0), "Subscribers": [{"SubscriptionType": "SNS", "Address": hook.url},
                                                                        {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}]},
        {"Notification": notification("FORECASTED", 100.0), "Subscribers": [{"SubscriptionType": "SNS", "Address": hook.url}]},
        {"Notification": notification("ACTUAL", 1e9), "Subscribers": [{"SubscriptionType": "SNS", "Address": hook.url}]}])
    told = [hook.bodies.get(timeout=PATIENCE_S) for _ in range(2)]
    assert {t["Notification"]["NotificationType"] for t in told} == {"ACTUAL", "FORECASTED"}
    assert all(t["BudgetName"] == "small" and D(t["ActualSpend"]) > D("0.00008") for t in told)
    (mail,) = [p.read_text(encoding="utf-8") for p in hook.box.glob("mail.*")]
    assert "To: ops@example.com" in mail and "small has exceeded your alert threshold" in mail

    def states():
        shown = budgets.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName="small")["Notifications"]
        return [s["NotificationState"] for s in shown]
    wait_until("what was told is noted", lambda: states() == ["ALARM", "ALARM", "OK"], PATIENCE_S)
    api.stop()
    api.start()  # looks at the budgets again, and has nothing to tell
    api.client("budgets").create_budget(AccountId=ACCOUNT, Budget=budget("second", "0.0001"), NotificationsWithSubscribers=[
        {"Notification": notification("ACTUAL", 80.0), "Subscribers": [{"SubscriptionType": "SNS", "Address": hook.url}]}])
    assert hook.bodies.get(timeout=PATIENCE_S)["BudgetName"] == "second"
    assert hook.bodies.empty()


def test_only_where_the_operator_allows(api, hook):
    budgets = api.client("budgets")
    port = hook.server_port
    for address in (f"http://127.0.0.1:{port}/other", f"http://127.0.0.1:{port + 1}/hooks/one", f"http://127.0.0.2:{port}/hooks/one",
                    f"http://127.0.0.1:{port}/hooks/../other", f"https://127.0.0.1:{port}/hooks/one", f"http://a@127.0.0.1:{port}/hooks/one",
                    "file:///etc/passwd", "arn:aws:sns:us-east-1:123456789012:topic"):
        refused = error_of(budgets.create_notification, AccountId=ACCOUNT, BudgetName="small", Notification=notification("ACTUAL", 50.0),
                           Subscribers=[{"SubscriptionType": "SNS", "Address": address}])
        assert refused[0] == "InvalidParameterException", address
    for address in ("-oQ/tmp@example.com", "a@b\nBcc: c@d", "nobody"):
        refused = error_of(budgets.create_notification, AccountId=ACCOUNT, BudgetName="small", Notification=notification("ACTUAL", 50.0),
                           Subscribers=[{"SubscriptionType": "EMAIL", "Address": address}])
        assert refused[0] == "InvalidParameterException", address


def test_action_stops_by_tag(api, hook):
    budgets, ec2 = api.client("budgets"), api.client("ec2")
    budgets.create_budget(AccountId=ACCOUNT, Budget=budget("brake", "0.0001"))
    made = budgets.create_budget_action(
        AccountId=ACCOUNT, BudgetName="brake", NotificationType="ACTUAL", ActionType="RUN_SSM_DOCUMENTS",
        ActionThreshold={"ActionThresholdValue": 50.0, "ActionThresholdType": "PERCENTAGE"}, ApprovalModel="AUTOMATIC",
        Definition={"SsmActionDefinition": {"ActionSubType": "STOP_EC2_INSTANCES", "Region": "us-east-1", "InstanceIds": ["tag:team=blue"]}},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/budget", Subscribers=[{"SubscriptionType": "SNS", "Address": hook.url}])
    assert hook.bodies.get(timeout=PATIENCE_S)["Notification"]["ActionId"] == made["ActionId"]

    def state():
        return {i["InstanceId"]: i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    status = lambda: budgets.describe_budget_action(AccountId=ACCOUNT, BudgetName="brake", ActionId=made["ActionId"])["Action"]["Status"]  # noqa: E731
    wait_until("the action is done", lambda: status() == "EXECUTION_SUCCESS", PATIENCE_S)
    # No hypervisor is there to stop it: it is on its way, and not billed any more.
    assert state() == {INSTANCES[0]: "running", INSTANCES[1]: "stopping", INSTANCES[2]: "stopped"}
    rates = {g["key"]: g["open"] for g in api.json("bill", "--by", "resource")["groups"]}
    assert rates[INSTANCES[0]] and not rates[INSTANCES[1]]


def test_action_terminates_by_tag(api, hook):
    budgets, ec2 = api.client("budgets"), api.client("ec2")
    budgets.create_budget(AccountId=ACCOUNT, Budget=budget("end", "0.0001"))
    budgets.create_budget_action(
        AccountId=ACCOUNT, BudgetName="end", NotificationType="FORECASTED", ActionType="RUN_SSM_DOCUMENTS",
        ActionThreshold={"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"}, ApprovalModel="AUTOMATIC",
        Definition={"SsmActionDefinition": {"ActionSubType": "TERMINATE_EC2_INSTANCES", "Region": "us-east-1", "InstanceIds": ["tag:team=red"]}},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/budget", Subscribers=[{"SubscriptionType": "SNS", "Address": hook.url}])
    assert hook.bodies.get(timeout=PATIENCE_S)["BudgetName"] == "end"

    def state():
        return {i["InstanceId"]: i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    wait_until("it ends", lambda: state()[INSTANCES[0]] == "shutting-down", PATIENCE_S)
    assert state()[INSTANCES[1]] == "stopping" and state()[INSTANCES[2]] == "stopped", "the others have another tag"


def test_aws_budgets(api, aws_program):
    name = "cli-" + os.path.basename(os.path.dirname(aws_program)).replace(".", "")
    api.aws(aws_program, "budgets", "create-budget", "--account-id", ACCOUNT, "--budget", json.dumps(budget(name, "12.5")))
    shown = json.loads(api.aws(aws_program, "budgets", "describe-budgets", "--account-id", ACCOUNT).stdout)
    assert name in [b["BudgetName"] for b in shown["Budgets"]]
    api.aws(aws_program, "budgets", "delete-budget", "--account-id", ACCOUNT, "--budget-name", name)


def test_aws_budgets_operations(api):
    name, aws_program = "cli", DEBIAN_AWS
    api.aws(aws_program, "budgets", "create-budget", "--account-id", ACCOUNT, "--budget", json.dumps(budget(name, "12.5")))
    told = ("--account-id", ACCOUNT, "--budget-name", name, "--notification", json.dumps(notification("ACTUAL", 80.0)))
    mail = {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
    api.aws(aws_program, "budgets", "create-notification", *told, "--subscribers", json.dumps([mail]))
    shown = json.loads(api.aws(aws_program, "budgets", "describe-subscribers-for-notification", *told).stdout)
    assert shown["Subscribers"] == [mail]
    api.aws(aws_program, "budgets", "delete-notification", *told)
    api.aws(aws_program, "budgets", "update-budget", "--account-id", ACCOUNT, "--new-budget", json.dumps(budget(name, "13")))
    shown = json.loads(api.aws(aws_program, "budgets", "describe-budget", "--account-id", ACCOUNT, "--budget-name", name).stdout)
    assert shown["Budget"]["BudgetLimit"]["Amount"] == "13"
    api.aws(aws_program, "budgets", "delete-budget", "--account-id", ACCOUNT, "--budget-name", name)


# --- the price list


def test_products(api):
    pricing = api.client("pricing")
    answer = pricing.get_products(ServiceCode="AmazonEC2", Filters=[
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in (
            ("instanceType", "t3.micro"), ("location", "Asia Pacific (Seoul)"), ("operatingSystem", "Linux"), ("tenancy", "Shared"),
            ("preInstalledSw", "NA"), ("capacitystatus", "Used"))])
    (product,) = [json.loads(p) for p in answer["PriceList"]]
    (term,) = product["terms"]["OnDemand"].values()
    (rate,) = term["priceDimensions"].values()
    assert rate["pricePerUnit"] == {"USD": "0.0130000000"} and rate["unit"] == "Hrs"
    assert product["product"]["attributes"]["usagetype"] == "APN2-BoxUsage:t3.micro"


def test_services_attributes_and_pages(api):
    pricing = api.client("pricing")
    services = {s["ServiceCode"] for s in pricing.describe_services()["Services"]}
    assert {"AmazonEC2", "AmazonVPC", "AWSDataTransfer"} <= services
    values = pricing.get_attribute_values(ServiceCode="AmazonEC2", AttributeName="volumeApiName")["AttributeValues"]
    assert {"gp2", "gp3", "io2"} <= {v["Value"] for v in values}
    pages = pricing.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", PaginationConfig={"PageSize": 20})
    skus = [json.loads(p)["product"]["sku"] for page in pages for p in page["PriceList"]]
    assert len(skus) == len(set(skus)) > 80
    tiers = [json.loads(p) for p in pricing.get_products(ServiceCode="AWSDataTransfer")["PriceList"]]
    ranges = [d["beginRange"] for t in tiers[0]["terms"]["OnDemand"].values() for d in t["priceDimensions"].values()]
    assert ranges == ["0", "10240", "51200", "153600"]
    assert error_of(pricing.get_products, ServiceCode="AmazonCoffee")[0] == "InvalidParameterException"


def test_aws_pricing(api, aws_program):
    answer = json.loads(api.aws(aws_program, "pricing", "get-products", "--service-code", "AmazonEC2", "--filters",
                                "Type=TERM_MATCH,Field=volumeApiName,Value=gp3", "Type=TERM_MATCH,Field=regionCode,Value=us-east-1").stdout)
    assert len(answer["PriceList"]) == 3


def test_aws_pricing_operations(api):
    services = json.loads(api.aws(DEBIAN_AWS, "pricing", "describe-services").stdout)["Services"]
    assert "AmazonEC2" in [s["ServiceCode"] for s in services]
    values = json.loads(api.aws(DEBIAN_AWS, "pricing", "get-attribute-values", "--service-code", "AmazonEC2", "--attribute-name",
                                "instanceType").stdout)["AttributeValues"]
    assert "t3.micro" in [v["Value"] for v in values]
