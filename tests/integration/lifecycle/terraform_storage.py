"""Terraform's volumes, snapshots, images, keys and an account's settings, without guests: made, changed in place, destroyed,
and no difference after each. `make terraform-storage`, a minute or two; not part of `make test`."""

import os
import pathlib
import shutil
import subprocess

import pytest

MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  skip_metadata_api_check = true
}
"""
CHANGED = ("-input=false", "-var", "change=true")


@pytest.fixture
def terraform(pair, tmp_path):
    program, plugins = shutil.which("terraform"), os.environ.get("TF_PLUGIN_DIR")
    if not program or not plugins:
        pytest.skip("no terraform on PATH, or TF_PLUGIN_DIR (a directory with the AWS provider) is not set")
    environment = {**pair.aws_environment(), "AWS_ENDPOINT_URL": pair.endpoint, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1",
                   "TF_CLI_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path), "NO_PROXY": "*"}

    def run(*words):
        done = subprocess.run([program, *words, "-no-color"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    (tmp_path / "main.tf").write_text(MAIN, encoding="ascii")
    shutil.copy(pathlib.Path(__file__).parent / "storage.tf", tmp_path)
    run("init", "-input=false", f"-plugin-dir={plugins}")
    return run


def disk_to_import(pair):
    """A file in a bucket, as the operator puts it there."""
    bucket = pair.home / "exchange" / "terraform"
    bucket.mkdir(parents=True)
    (bucket / "disk.raw").write_bytes(os.urandom(1 << 20))
    (bucket / "disk.raw").chmod(0o644)


def test_storage(terraform, pair):
    disk_to_import(pair)
    terraform("apply", "-auto-approve", "-input=false")
    terraform("plan", "-detailed-exitcode", "-input=false")  # 2 would be a difference
    said = terraform("apply", "-auto-approve", *CHANGED)
    assert " 0 added, " in said and " 0 destroyed." in said, said
    terraform("plan", "-detailed-exitcode", *CHANGED)
    terraform("destroy", "-auto-approve", *CHANGED)
    assert not pair.shown() and not pair.storaged("/v1/volumes")["volumes"]
