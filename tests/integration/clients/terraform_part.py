"""A part's resources and data sources by the unmodified Terraform: PART.tf beside the part's module.

Made, without a difference afterwards; changed in place; one taken out of the state and imported again; destroyed."""

import json
import pathlib
import shutil
import subprocess

import pytest

from terraforming import init

HERE = pathlib.Path(__file__).resolve().parent
MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
"""
CHANGED = ("-input=false", "-var", "change=true")


class Terraform:
    def __init__(self, cloud, endpoint, directory):
        self.program, self.directory = shutil.which("terraform"), directory
        if not self.program:
            pytest.skip("no terraform on PATH")
        self.environment = cloud.environment(AWS_ENDPOINT_URL=endpoint, CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1",
                                             TF_CLI_CONFIG_FILE="/dev/null", HOME=str(directory))

    def __call__(self, *words, **options):
        done = subprocess.run([self.program, *words, "-no-color"], cwd=self.directory, env=self.environment, capture_output=True,
                              text=True, timeout=900, check=False, **options)
        assert done.returncode == 0, f"terraform {' '.join(words)}: {done.stdout[-6000:]}{done.stderr[-6000:]}"
        return done.stdout


def forget_and_import(terraform, imported):
    """{address: its id for the import, of its attributes}: nothing is made nor changed by it."""
    rows = json.loads(terraform("show", "-json"))["values"]["root_module"]["resources"]
    there = {row["address"]: row["values"] for row in rows}
    blocks = [f'import {{\n  to = {address}\n  id = "{id_of(there[address])}"\n}}\n' for address, id_of in imported.items()]
    terraform("state", "rm", *imported)
    (terraform.directory / "imports.tf").write_text("".join(blocks), encoding="ascii")
    said = terraform("apply", "-auto-approve", *CHANGED)
    assert f" {len(imported)} imported, 0 added, 0 changed, 0 destroyed." in said, said[-3000:]


def apply_all(cloud, endpoint, directory, part):
    terraform = Terraform(cloud, endpoint, directory)
    (directory / "main.tf").write_text(MAIN, encoding="ascii")
    shutil.copy(HERE / f"{part.__name__}.tf", directory)
    init(terraform.program, directory, terraform.environment)
    part.before_terraform(cloud)
    try:
        terraform("apply", "-auto-approve", "-input=false")
        terraform("plan", "-detailed-exitcode", "-input=false")  # 2 would be a difference
        outputs = {name: row["value"] for name, row in json.loads(terraform("output", "-json")).items()}
        assert outputs == part.OUTPUTS, outputs
        said = terraform("apply", "-auto-approve", *CHANGED)
        assert " 0 added, " in said and " 0 destroyed." in said, said
        terraform("plan", "-detailed-exitcode", *CHANGED)
        forget_and_import(terraform, part.IMPORTED)
        terraform("plan", "-detailed-exitcode", *CHANGED)
    finally:
        terraform("destroy", "-auto-approve", *CHANGED)
