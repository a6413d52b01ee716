#!/usr/bin/python3
"""A month of a million usage records: how long the month's view takes, and how much memory, against reading it from the
records themselves with the sqlite3 program's own engine. Run by: tests/bench/billing.py (root, after make)."""

import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration"), str(HERE.parent / "integration" / "billing")]
INSIDE = "MINICLOUD_BENCH_NAMESPACE"
RECORDS, LINES, DAYS, MONTH, FIRST_DAY = 1_000_000, 5000, 30, "2025-06", 20240
DAY_NS = 86_400_000_000_000


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


def median_ms(call, times=7):
    took = []
    for _ in range(times):
        began = time.monotonic()
        call()
        took.append((time.monotonic() - began) * 1000)
    return statistics.median(took)


def from_records(api):
    with sqlite3.connect(api.home / "api" / "minicloud.db") as db:
        return db.execute("SELECT l.type, SUM(r.ns + r.extra) FROM usage_record r JOIN usage_line l ON l.id = r.line"
                          " WHERE r.label >= ? AND r.label < ? GROUP BY 1", (FIRST_DAY * DAY_NS, (FIRST_DAY + DAYS) * DAY_NS)).fetchall()


def measure():
    import memory  # pylint: disable=import-outside-toplevel
    from lone_api import LoneApi  # pylint: disable=import-outside-toplevel
    api = LoneApi()
    try:
        api.start()
        api.stop()
        count = fill(api)
        api.start()
        pid = int(api.launcher("pid", "api").stdout)
        end = time.monotonic() + 300
        while True:  # the first heartbeats rate the days
            with api.database() as db:
                if db.execute("SELECT COUNT(*) FROM usage_month").fetchone()[0] >= LINES:
                    if db.execute("SELECT day FROM usage_final").fetchone()[0] >= FIRST_DAY + DAYS - 1:
                        break
            assert time.monotonic() < end
            time.sleep(0.5)
        page = lambda by: lambda: subprocess.run(  # noqa: E731
            ["curl", "-sSf", "--unix-socket", api.run_dir / "minicloud.sock", f"http://d/v1/bill?month={MONTH}&by={by}"],
            check=True, stdout=subprocess.DEVNULL)
        raw = median_ms(lambda: from_records(api), 3)
        for by in ("service", "resource", "tag:team"):
            ms = median_ms(page(by))
            print(f"month by {by}: {ms:.0f} ms, {count:,} records; summing the records: {raw:.0f} ms; ratio {ms / raw:.2f}; "
                  f"aim 200 ms: {'met' if ms < 200 else 'MISSED'}")
        print(f"memory of the API daemon afterwards: {memory.pss_mib(pid):.1f} MiB (PSS)")
    finally:
        api.close()


def main():
    if os.environ.get(INSIDE):
        measure()
        return 0
    return subprocess.run(["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child", "bash",
                           "-c", 'ip link set lo up; "$@"; exit $?', "bench", "/usr/bin/python3", __file__], check=False,
                          env={**os.environ, INSIDE: "1", "PYTHONDONTWRITEBYTECODE": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
