"""The view of a month of a million usage records: its time and memory, against reading it from the records themselves
with SQLite."""

import sqlite3
import statistics
import subprocess
import sys
import time

import memory
from cloud import ROOT
from row import Row

sys.path.append(str(ROOT / "tests" / "integration" / "billing"))
from lone_api import LoneApi  # noqa: E402  pylint: disable=wrong-import-position

RECORDS, LINES, DAYS, MONTH, FIRST_DAY = 1_000_000, 5000, 30, "2025-06", 20240
DAY_NS = 86_400_000_000_000
AIM_MS, ROUNDS, RATED_S = 200, 7, 300
VIEWS = {"service": "service", "resource": "resource (5,000)", "tag:team": "tag (20 values)"}


def fill(api):
    per_day = RECORDS // LINES // DAYS + 1
    piece = DAY_NS // per_day
    with api.database() as db:
        db.executemany("INSERT INTO usage_line VALUES (?,?,'123456789012','us-east-1','us-east-1a',?,'instance',?,1,?)",
                       ((100 + n, 100 + n, f"i-{n:017x}", "t3.micro" if n % 2 else "m5.large", f'{{"team":"{n % 20}"}}') for n in range(LINES)))
        db.executemany("INSERT INTO usage_record (line, label, ns, extra) VALUES (?,?,?,0)",
                       ((100 + n, (FIRST_DAY + d) * DAY_NS + k * piece, piece) for d in range(DAYS) for n in range(LINES) for k in range(per_day)))
        db.executemany("INSERT INTO usage_day VALUES (?,?,?,?,0)",
                       ((FIRST_DAY + d, 100 + n, 100 + n, per_day * piece) for d in range(DAYS) for n in range(LINES)))
        return per_day * DAYS * LINES


def from_records(api):
    """The month by type, summed from its records."""
    with sqlite3.connect(api.home / "api" / "minicloud.db") as db:
        return db.execute("SELECT l.type, SUM(r.ns + r.extra) FROM usage_record r JOIN usage_line l ON l.id = r.line"
                          " WHERE r.label >= ? AND r.label < ? GROUP BY 1", (FIRST_DAY * DAY_NS, (FIRST_DAY + DAYS) * DAY_NS)).fetchall()


def page(api, by):
    subprocess.run(["curl", "-sSf", "--unix-socket", api.run_dir / "minicloud.sock", f"http://d/v1/bill?month={MONTH}&by={by}"],
                   check=True, stdout=subprocess.DEVNULL)


def took_ms(call, *words):
    began = time.monotonic()
    call(*words)
    return (time.monotonic() - began) * 1000


def wait_rated(api):
    """The first heartbeats rate the days of the month."""
    end = time.monotonic() + RATED_S
    while True:
        with api.database() as db:
            months = db.execute("SELECT COUNT(*) FROM usage_month").fetchone()[0]
            final = db.execute("SELECT day FROM usage_final").fetchone()[0]
        if months >= LINES and final >= FIRST_DAY + DAYS - 1:
            return
        if time.monotonic() > end:
            raise AssertionError("the month is not rated\n" + api.log())
        time.sleep(0.5)


def pss(api):
    return memory.pss_mib(int(api.launcher("pid", "api").stdout))


def in_turn(api, by):
    """Medians of the view and of the sum, milliseconds."""
    rounds = [(took_ms(page, api, by), took_ms(from_records, api)) for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds)]


def measure():
    rows, api = [], LoneApi()
    try:
        api.start()
        page(api, "service")
        before = pss(api)
        api.stop()
        count = fill(api)
        api.start()
        wait_rated(api)
        for by, text in VIEWS.items():
            ours, summed = in_turn(api, by)
            rows.append(Row(f"a month of {count:,} records by {text}", ours, summed, "ms", "summing the records (SQLite)",
                            AIM_MS / summed, aim_text=f"<= {AIM_MS} ms"))
        rows.append(Row(f"memory of the API daemon with {count:,} records", pss(api), before, "MiB (PSS)", "with none", 2))
    finally:
        api.close()
    return rows, []
