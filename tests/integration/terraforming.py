"""The unmodified Terraform with the AWS provider, in a directory of a test's own."""

import glob
import os
import shutil
import subprocess

import pytest

HEAD = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  skip_metadata_api_check = true
}
"""

# Where Terraform and administrators keep providers for machines that reach no registry, behind what
# Terraform's own configuration says (its documentation: "Implied Local Mirror Directories").
MIRRORS = ("~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform/plugins",
           "/usr/share/terraform/plugins", "/opt/*")
PROVIDER = "registry.terraform.io/hashicorp/aws"
PROVIDER_S = 600  # for one command: its waiters have their own, shorter ones


def init(program, directory, environment):
    """Terraform with the provider of TF_PLUGIN_DIR, else of the machine's own configuration (TF_CLI_CONFIG_FILE, ~/.terraformrc
    and what it implies), else of a directory that looks like a mirror. Skips where there is none."""
    def tried(*words, **more):
        return subprocess.run([program, "init", "-input=false", "-no-color", *words], cwd=directory, timeout=300,
                              env={**environment, **more}, capture_output=True, text=True, check=False)
    given = os.environ.get("TF_PLUGIN_DIR")
    if given:
        done = tried(f"-plugin-dir={given}")
        assert done.returncode == 0, done.stdout + done.stderr
        return
    own = {name: os.environ[name] for name in ("HOME", "TF_CLI_CONFIG_FILE") if name in os.environ}
    done = tried(TF_REGISTRY_DISCOVERY_RETRY="0", **own)
    found = [path.removesuffix(PROVIDER) for mirror in MIRRORS
             for path in glob.glob(os.path.join(os.path.expanduser(mirror), PROVIDER))]
    while done.returncode != 0 and found:
        done = tried(f"-plugin-dir={found.pop(0)}")
    if done.returncode != 0:
        pytest.skip("no AWS provider for Terraform: set TF_PLUGIN_DIR to a directory that has "
                    f"{PROVIDER}, or name it in ~/.terraformrc. {' '.join(done.stderr.split())}")


class Terraform:
    """main.tf and further files in an empty directory, initialised. Skips where there is no Terraform."""

    def __init__(self, directory, environment, main, *files):
        self.program = shutil.which("terraform")
        if not self.program:
            pytest.skip("no terraform on PATH")
        self.directory = directory
        self.environment = {**environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_CLI_CONFIG_FILE": "/dev/null",
                            "HOME": str(directory), "NO_PROXY": "*"}
        (directory / "main.tf").write_text(main, encoding="ascii")
        for file in files:
            shutil.copy(file, directory)
        init(self.program, directory, self.environment)

    def __call__(self, *words, good=(0,)):
        done = subprocess.run([self.program, *words, "-no-color"], cwd=self.directory, env=self.environment, capture_output=True,
                              text=True, timeout=PROVIDER_S, check=False)
        assert done.returncode in good, done.stdout + done.stderr
        return done

    def apply(self, *words):
        """What it says; then there is no difference left."""
        said = self("apply", "-auto-approve", "-input=false", *words).stdout
        self("plan", "-detailed-exitcode", "-input=false", *words)  # 2 would be a difference
        return said

    def change(self, *words):
        """An apply that changes all in place."""
        said = self.apply(*words)
        assert "Resources: 0 added, " in said and " 0 changed, " not in said and " 0 destroyed." in said, said
        return said

    def destroy(self, *words):
        self("destroy", "-auto-approve", "-input=false", *words)
