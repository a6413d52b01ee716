#!/usr/bin/python3
"""Check that botocore reads every XML answer of answers.json back into its document."""
import json
import os
import sys

import botocore.session
from botocore import parsers
from botocore.model import ServiceModel

HERE = os.path.dirname(os.path.abspath(__file__))
SESSION = botocore.session.Session()


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value


def main():
    loader, bad = SESSION.get_component("data_loader"), 0
    with open(os.path.join(HERE, "answers.json"), encoding="utf-8") as f:
        rows = json.load(f)
    for row in rows:
        model = ServiceModel(loader.load_service_model(row["service"], "service-2"),
                             row["service"])
        parser = parsers.create_parser(model.metadata["protocol"])
        answer = {"status_code": 200, "headers": {}, "body": row["xml"].encode()}
        read = parser.parse(answer, model.operation_model(row["operation"]).output_shape)
        if plain(read) != (row["doc"] or {}):
            print(f"{row['operation']}: read {plain(read)}, sent {row['doc']}")
            bad += 1
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
