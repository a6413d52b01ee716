"""A part's resources and data sources by the unmodified Terraform: PART.tf beside the part's module.

Made, without a difference afterwards; changed in place; one taken out of the state and imported again; destroyed."""

import json
import pathlib
import shutil
import subprocess

import pytest

from test_6_terraform import init

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


def state_of(terraform, address):
    """A resource's attributes."""
    def find(module):
        for resource in module.get("resources", ()):
            if resource["address"] == address:
                return resource["values"]
        return None
    return find(json.loads(terraform("show", "-json"))["values"]["root_module"])


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
        for address in part.IMPORTED:
            there = state_of(terraform, address)
            terraform("state", "rm", address)
            terraform("import", *CHANGED, address, part.IMPORTED[address](there))
        terraform("plan", "-detailed-exitcode", *CHANGED)
    finally:
        terraform("destroy", "-auto-approve", *CHANGED)
