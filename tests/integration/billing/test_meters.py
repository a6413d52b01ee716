"""The meters' page, in a browser without a screen."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from cloud import wait_until
from firefox import Firefox
from lone_api import ACCOUNT, PATIENCE_S

INSTANCES = [f"i-{n:017x}" for n in range(3)]


def address(api):
    return api.minicloud("meters").stdout.strip()


def get(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=PATIENCE_S)


def test_only_with_the_token(api):
    url = address(api)
    for bad in (url.split("?")[0], url[:-1], url + "x", url.replace("/meters", "/meters/events").split("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(bad)
        assert refused.value.code == 403
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg", "", get(url).read().decode())  # nothing comes from elsewhere


def test_events(api):
    answer = get(address(api).replace("/meters", "/meters/events"))
    assert answer.headers["Content-Type"] == "text/event-stream"
    lines = answer.read().decode().splitlines()
    assert lines[0] == "retry: 1000"
    data = json.loads(lines[1].removeprefix("data: "))
    assert {i["id"]: (i["state"], i["billed"]) for i in data["instances"]} == {
        INSTANCES[0]: ("running", True), INSTANCES[1]: ("running", True), INSTANCES[2]: ("stopped", False)}
    bill = api.json("bill")
    assert abs(data["rate"] - float(bill["rate"])) < 1e-9 and 0 < data["today"] <= float(bill["total"])


def check_page(page):
    assert 'data-ready="yes"' in page
    for state in ("pending", "running", "stopping", "stopped", "shutting-down", "terminated"):
        assert f">{state}</text>" in page
    assert page.count('class="dot on"') == 2 and page.count('class="dot"') == 1
    assert page.count("billed by the second") == 2  # the script's own and the diagram's
    assert re.search(r'id="rate">0\.1\d+ USD', page) and re.search(r'<tr class="on" data-id="i-0+1">', page)


def test_in_chromium(api):
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("SKIPPED LOUDLY: no chromium on PATH, the meters' page is not tried in a browser")

    def shown(n):
        """The page after n times four seconds of its own time, in which it does not wait for a server that takes its time."""
        done = subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", f"--virtual-time-budget={4000 * n}",
                               f"--user-data-dir={api.own / 'browser'}", "--dump-dom", address(api)],
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.stdout, done.stderr[-2000:]
        return done.stdout
    check_page(next((page for page in map(shown, range(1, 6)) if 'data-ready="yes"' in page), ""))


def test_in_firefox(api):
    browser = shutil.which("firefox-esr")
    if not browser:
        pytest.skip("SKIPPED LOUDLY: no firefox-esr on PATH, the meters' page is not tried in it")
    with Firefox(browser, api.own / "firefox") as firefox:
        firefox.visit(address(api))
        wait_until("the page is there", lambda: 'data-ready="yes"' in firefox.page(), PATIENCE_S)
        check_page(firefox.page())
        total = "return document.getElementById('today').textContent"
        first = firefox.run(total)
        wait_until("events make it tick", lambda: firefox.run(total) != first, PATIENCE_S)
        api.client("ec2").stop_instances(InstanceIds=[INSTANCES[1]], Force=True)
        wait_until("a dot has moved, and is billed no more", lambda: firefox.page().count('class="dot on"') == 1, PATIENCE_S)


def test_time_scale_is_seen_everywhere(api):
    """Last: labels stay ahead of the clock for good."""
    api.stop()
    mail, sendmail = api.own / "mail", api.own / "sendmail-fast"
    mail.mkdir(exist_ok=True)
    mail.chmod(0o777)
    sendmail.write_text(f'#!/bin/sh\ncat > {mail}/part && mv {mail}/part {mail}/fast\n', encoding="ascii")
    sendmail.chmod(0o755)
    api.own.chmod(0o755)
    api.configure(time_scale=3600, budget_interval=1, sendmail=sendmail)
    api.start()
    bill = api.json("bill")
    assert bill["time_scale"] == 3600
    said = "the meters run 3600 times as fast as time"
    assert said in api.minicloud("bill", "--output", "table").stdout
    assert said in api.minicloud("bill", "--output", "csv").stderr, "a file's rows are left as they are"
    assert said in api.minicloud("describe-instances", "--output", "table").stderr, "beside the costs"
    assert said in api.minicloud("bill", "--explain", "--output", "table").stdout
    assert said in api.minicloud("billing", "reprice", "--month", bill["month"], "--dry-run", "--output", "table").stdout
    api.client("budgets").create_budget(
        AccountId=ACCOUNT, Budget={"BudgetName": "fast", "BudgetLimit": {"Amount": "0.0001", "Unit": "USD"}, "TimeUnit": "MONTHLY", "BudgetType": "COST"},
        NotificationsWithSubscribers=[{"Notification": {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0},
                                       "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "ops@example.com"}]}])
    wait_until("a budget tells by mail", (mail / "fast").exists, PATIENCE_S)
    assert '"MetersRunTimesAsFastAsTime": 3600' in (mail / "fast").read_text(encoding="utf-8")
    page = api.own / "invoice.html"
    api.minicloud("bill", "invoice", page)
    assert said in page.read_text(encoding="utf-8")
    data = json.loads(get(address(api).replace("/meters", "/meters/events")).read().decode().splitlines()[1].removeprefix("data: "))
    assert data["time_scale"] == 3600
    assert "the meters run 3600 times as fast" in api.log()
