"""Each action of a part by the unmodified AWS CLI, by boto3 and by Terraform, heard on the way. `make clients`; the part's
tables are in its module. Ends with the matrix of who has called what; an empty cell where the table has none fails, and so
does an answer that botocore's model does not know. Not part of `make test`, which walks with boto3 alone (test_4_clients.py)."""

import os
import pathlib
import queue
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import disks  # noqa: E402  (the path above)
import dlm  # noqa: E402
import ebs  # noqa: E402
import kms  # noqa: E402
import network  # noqa: E402
import rbin  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402
import terraform_part  # noqa: E402
import wire  # noqa: E402
from cloud import DEBIAN_AWS  # noqa: E402
from conftest import newer_aws  # noqa: E402

PARTS = {part.__name__: part for part in (network, disks, ebs, kms, rbin, dlm)}
APPLIED = [name for name, part in PARTS.items() if hasattr(part, "OUTPUTS")]  # the provider has something of them
# Of boto3, and of each CLI that runs beside it: what is scarce is counted by region.
REGIONS = ("us-west-2", "eu-west-1", "ap-northeast-2")


@pytest.fixture(scope="module")
def recorder(cloud):
    it = wire.Recorder(cloud.endpoint)
    yield it
    it.close()


@pytest.fixture(scope="module")
def unknown():
    """{client: the actions that it is too old for}."""
    return {"cli": set(), "boto3": set()}


class Walker(threading.Thread):
    """Does the scenes that it finds in the queue; what failed is in `failed`."""

    def __init__(self, actor, scenes, names):
        super().__init__()
        self.actor, self.scenes, self.names, self.failed, self.unknown = actor, scenes, names, [], set()

    def run(self):
        while True:
            try:
                name, scene = self.scenes.get_nowait()
            except queue.Empty:
                break
            try:
                self.unknown |= steps.play(self.actor, scene, dict(self.names))
            except Exception as e:  # pylint: disable=broad-except  # told with the others
                self.failed.append(f"{self.actor.name} {self.actor.region} {name}: {type(e).__name__}: {e}")
        self.actor.close()


def scenes_of(part):
    it = queue.Queue()
    for row in part.SCENES.items():
        it.put(row)
    return it


@pytest.mark.parametrize("name", PARTS)
def test_walk(cloud, recorder, unknown, name):
    part, cli = PARTS[name], os.environ.get("MINICLOUD_CLIENTS_AWS") or newer_aws() or DEBIAN_AWS
    for region in REGIONS:
        cloud.tiny_image(region)
    shared, names = scenes_of(part), table.names_of(part, cloud)
    if hasattr(part, "prepare_guests"):
        part.prepare_guests(cloud)
    walkers = [Walker(steps.Boto3(cloud, recorder.endpoint, REGIONS[0]), scenes_of(part), names)]
    walkers += [Walker(steps.Cli(cloud, recorder.endpoint, region, cli), shared, names) for region in REGIONS[1:]]
    for walker in walkers:
        walker.start()
    for walker in walkers:
        walker.join()
        unknown[walker.actor.name] |= walker.unknown
    failed = [line for walker in walkers for line in walker.failed]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("name", APPLIED)
def test_terraform(cloud, recorder, tmp_path, name):
    terraform_part.apply_all(cloud, recorder.endpoint, tmp_path, PARTS[name])


@pytest.mark.parametrize("name", PARTS)
def test_matrix(recorder, unknown, capsys, name):
    lines, empty = table.matrix(PARTS[name], recorder.heard(PARTS[name].SERVICE), unknown)
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert not empty, empty


@pytest.mark.parametrize("service", sorted({part.SERVICE for part in PARTS.values()}))
def test_answers(recorder, service):
    """Of all clients, as the model has them. A shape's name means another one in another service."""
    present = {shape: members for part in PARTS.values() if part.SERVICE == service for shape, members in part.PRESENT.items()}
    wrong = recorder.complaints(present, service)
    assert recorder.heard(service) and not wrong, "\n".join(wrong)
