"""boto3 in a process of its own, so that it may be another one than the tests': a request a line on stdin, its answer a line
on stdout, both JSON. {"service", "region", "endpoint", "do": call|pages|wait|token, "action", "params", "page"}."""

import base64
import datetime
import hashlib
import json
import sys

import boto3
import botocore
import botocore.config
import botocore.exceptions

CLIENTS = {}


def client(service, region, endpoint):
    key = service, region, endpoint
    if key not in CLIENTS:
        config = botocore.config.Config(retries={"max_attempts": 1}, read_timeout=120, proxies={})
        CLIENTS[key] = boto3.session.Session().client(service, region_name=region, endpoint_url=endpoint, config=config)
    return CLIENTS[key]


def plain(value):
    """As the AWS CLI prints it; of what it writes into a file, the digest."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        return "stream:" + hashlib.sha256(value.read()).hexdigest()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def bytes_of(value):
    """Parameters with their bytes, which are written as base64:…"""
    if isinstance(value, dict):
        return {k: bytes_of(v) for k, v in value.items()}
    if isinstance(value, list):
        return [bytes_of(v) for v in value]
    return base64.b64decode(value[7:]) if isinstance(value, str) and value.startswith("base64:") else value


def do(request):
    it = client(request["service"], request["region"], request["endpoint"])
    name, params = botocore.xform_name(request["action"]), bytes_of(request["params"])
    if request["do"] == "wait":
        it.get_waiter(request["action"]).wait(**params, WaiterConfig={"Delay": 0.2, "MaxAttempts": 1500})
        return {}
    if not hasattr(it, name):
        return {"unknown": True}
    if request["do"] == "pages":
        if not it.can_paginate(name):
            return {"unknown": True}
        config = {"PageSize": request["page"]}
        answer = it.get_paginator(name).paginate(**params, PaginationConfig=config).build_full_result()
    else:
        answer = getattr(it, name)(**params)
    answer.pop("ResponseMetadata", None)
    return {"answer": answer}


def main():
    print(json.dumps({"botocore": botocore.__version__}), flush=True)
    for line in sys.stdin:
        try:
            said = do(json.loads(line))
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as e:
            said = {"error": getattr(e, "response", {}).get("Error", {}).get("Code", type(e).__name__), "message": str(e)}
        print(json.dumps(said, default=plain), flush=True)


if __name__ == "__main__":
    main()
