"""One API daemon in a directory of its own, its rows, and its clients."""

import datetime
import json
import os
import pathlib
import shutil
import sqlite3
import tempfile
import time

import boto3
import botocore.config

from cloud import LAUNCHER, ROOT, run

REGION = "us-east-1"
ACCOUNT = "123456789012"
NOW_NS = 1_000_000_000
PATIENCE_S = 300  # for what is to come: it ends when it has come


class LoneApi:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="b", dir=os.environ.get("MINICLOUD_TEST_DIR", "/tmp")))
        self.directory.chmod(0o755)
        self.home, self.run_dir = self.directory / "h", self.directory / "r"
        self.config = self.directory / "conf"
        self.own = self.directory / "client"
        self.own.mkdir()
        self.configure()
        self.launcher("prepare")
        self.running = False
        self.ids = {}
        self.root = ROOT

    # --- life

    def configure(self, **options):
        lines = [f"{key} = {value}" for key, value in {"listen": "127.0.0.1:8776", **options}.items()]
        self.config.write_text("[api]\n" + "\n".join(lines) + "\n", encoding="ascii")

    def launcher(self, *words, check=True):
        return run(LAUNCHER, *words, "--home", self.home, "--run", self.run_dir, "--bin", ROOT / "build",
                   "--config", self.config, check=check, timeout=PATIENCE_S)

    def start(self):
        self.launcher("start-one", "api")
        self.running = True
        page = json.loads(run("curl", "-sS", "--unix-socket", self.run_dir / "minicloud.sock", "http://d/v1/credentials").stdout)
        self.endpoint, self.key, self.secret = page["endpoint"], page["access_key"], page["secret_key"]

    def stop(self):
        self.launcher("stop-one", "api")
        self.running = False

    def kill(self):
        os.kill(int(self.launcher("pid", "api").stdout), 9)
        self.launcher("stop-one", "api", check=False)
        self.running = False

    def close(self):
        if self.running:
            self.launcher("stop-one", "api", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        return (self.home / "log" / "api.log").read_text(encoding="utf-8")

    # --- rows, while it is down

    def database(self):
        return sqlite3.connect(self.home / "api" / "minicloud.db")

    def add_row(self, kind, row_id, state, doc, spec=None, tags=None, az="us-east-1a", region=REGION, account=ACCOUNT,
                parent=None):
        with self.database() as db:
            vpc = parent or db.execute("SELECT id FROM resource WHERE kind = 'vpc'").fetchone()[0]
            seq = db.execute("SELECT MAX(seq) FROM resource").fetchone()[0] + 1
            db.execute("INSERT INTO resource VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                       (row_id, kind, account, region, az, "local", vpc, state, seq, time.time_ns(), json.dumps(doc),
                        json.dumps(spec or {}), json.dumps(tags or {})))
        self.ids[row_id] = kind

    def add_fleet(self):
        """Two running instances and a stopped one, with their volumes and an address."""
        for n, (kind, state, team) in enumerate((("t3.micro", "running", "red"), ("m5.large", "running", "blue"),
                                                 ("t3.micro", "stopped", "blue"))):
            instance, volume, eni = f"i-{n:017x}", f"vol-{n:017x}", f"eni-{n:017x}"
            self.add_row("instance", instance, state, {"InstanceId": instance, "InstanceType": kind, "ImageId": "ami-00000000000000001",
                                                       "LaunchTime": "2026-01-01T00:00:00.000Z"},
                         {"enis": [eni], "volumes": [{"id": volume, "device": "/dev/xvda", "attached": "2026-01-01T00:00:00.000Z"}]}, {"team": team, "Name": f"host{n}"})
            self.add_row("volume", volume, "in-use", {"Size": 8, "VolumeType": "gp3", "Iops": 3000, "Throughput": 125},
                         {"instance": instance, "device": "/dev/xvda"}, {"team": team})
            self.add_row("network-interface", eni, "", {}, {"ip": f"172.31.0.{n + 10}", "mac": f"06:00:00:00:00:{n:02x}",
                                                           "instance": instance, "device_index": 0, "subnet": self.subnet(),
                                                           "groups": [], **({"public_ip": "203.0.113.10"} if n == 0 else {})})

    def age(self, seconds):
        """What is open began so much earlier."""
        with self.database() as db:
            db.execute("UPDATE usage_open SET started = started - ?, label = label - ?", (seconds * NOW_NS, seconds * NOW_NS))

    def subnet(self):
        with self.database() as db:
            return db.execute("SELECT id FROM resource WHERE kind = 'subnet' AND az = 'us-east-1a'").fetchone()[0]

    def add_usage(self, resource, meter, usage_type, day, hours, quantity=1, tags=None):
        """A finished record of a past day, as the daemon would have left it."""
        start = int(datetime.datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * NOW_NS
        amount = int(hours * 3600) * NOW_NS
        with self.database() as db:
            values = (ACCOUNT, REGION, "us-east-1a", resource, meter, usage_type, quantity,
                      json.dumps(tags or {}, separators=(",", ":"), sort_keys=True))
            db.execute("INSERT OR IGNORE INTO usage_line (grp, account, region, az, resource, meter, type, quantity, tags)"
                       " VALUES (0,?,?,?,?,?,?,?,?)", values)
            db.execute("UPDATE usage_line SET grp = (SELECT MIN(id) FROM usage_line o WHERE o.resource = usage_line.resource"
                       " AND o.meter = usage_line.meter)")
            line, group = db.execute("SELECT id, grp FROM usage_line WHERE resource = ? AND meter = ? AND type = ? AND quantity = ?"
                                     " AND tags = ?", (resource, meter, usage_type, quantity, values[7])).fetchone()
            db.execute("INSERT INTO usage_record (line, label, ns, extra) VALUES (?,?,?,0)", (line, start, amount))
            db.execute("INSERT INTO usage_day (day, grp, line, amount, cost) VALUES (?,?,?,?,0)"
                       " ON CONFLICT DO UPDATE SET amount = amount + excluded.amount", (start // NOW_NS // 86400, group, line, amount))
            # A midnight may have passed since the daemon's start: then days are rated that lie behind this one.
            date = datetime.date.fromisoformat(day)
            first, month = (date.replace(day=1) - datetime.date(1970, 1, 1)).days, date.year * 12 + date.month - 1
            if db.execute("UPDATE usage_final SET day = ?, grp = 0 WHERE day >= ?", (first, first)).rowcount:
                db.execute("DELETE FROM usage_month WHERE month >= ?", (month,))
                db.execute("DELETE FROM usage_pool WHERE month >= ?", (month,))

    # --- clients

    def minicloud(self, *words, check=True, **environment):
        env = {**os.environ, "MINICLOUD_RUN": str(self.run_dir), "MINICLOUD_HOME": str(self.home), **environment}
        env.pop("AWS_ENDPOINT_URL", None)
        env.update(environment)
        return run(ROOT / "build" / "minicloud", *words, check=check, env=env, timeout=PATIENCE_S)

    def json(self, *words):
        return json.loads(self.minicloud(*words, "--output", "json").stdout)

    def client(self, service, region=REGION):
        config = botocore.config.Config(retries={"max_attempts": 0}, proxies={}, read_timeout=PATIENCE_S)
        return boto3.session.Session().client(service, region_name=region, endpoint_url=self.endpoint, config=config,
                                              aws_access_key_id=self.key, aws_secret_access_key=self.secret)

    def aws_environment(self):
        return {**os.environ, "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": REGION,
                "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PAGER": ""}

    def aws(self, program, *words, check=True):
        return run(program, "--endpoint-url", self.endpoint, *words, check=check, env=self.aws_environment(), timeout=PATIENCE_S)
