"""images/build-tiny on a machine whose package lists are older than its mirror. apt is played, up to where the packages are unpacked."""
import hashlib
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
KERNEL = "linux-image-6.1.0-1-cloud-amd64"

# The lists know version 1 until they are fetched anew; the mirror has what stands in `mirror`.
PLAYED = {
    "apt-cache": """
shift 2
for package in "$@"; do
	[ "$package" != "$(cat unknown 2>/dev/null)" ] || continue
	printf 'Package: %s\\nVersion: %s\\nSHA256: %s\\nDepends: KERNEL\\n\\n' "$package" "$(cat known)" SUM
done
""",
    "apt-get": """
echo "$1" >>calls
case $1 in
	update) cp mirror known; rm -f unknown ;;
	download) [ "${5##*=}" = "$(cat mirror)" ] || exit 100; printf deb >"$OLDPWD/x.deb" ;;
esac
""",
    "dpkg-deb": "echo unpacked; exit 9\n",
}


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "bin").mkdir()
    for name, text in PLAYED.items():
        text = text.replace("KERNEL", KERNEL).replace("SUM", hashlib.sha256(b"deb").hexdigest())
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\nset -e\ncd '{tmp_path}'\n{text}", encoding="ascii")
        path.chmod(0o755)
    (tmp_path / "known").write_text("1", encoding="ascii")
    (tmp_path / "mirror").write_text("1", encoding="ascii")
    return tmp_path


def build(machine):
    """What it said, and how often apt-get was asked for new lists."""
    (machine / "calls").write_text("", encoding="ascii")
    done = subprocess.run([ROOT / "images/build-tiny", machine / "out"], text=True, capture_output=True, check=False,
                          env={**os.environ, "PATH": f"{machine}/bin:{os.environ['PATH']}", "MINICLOUD_DEB_CACHE": str(machine / "cache")})
    return done.stdout + done.stderr, (machine / "calls").read_text(encoding="ascii").split().count("update")


def test_fresh_lists(machine):
    said, updates = build(machine)
    assert said.endswith("unpacked\n") and updates == 0, said
    assert len(list((machine / "cache").iterdir())) > 3


def test_a_version_is_gone(machine):
    (machine / "mirror").write_text("2", encoding="ascii")
    said, updates = build(machine)
    assert f"cannot download {KERNEL} 1: fetching fresh package lists (apt-get update) and trying once more" in said, said
    assert said.endswith("unpacked\n") and updates == 1, said
    assert all("_2_" in path.name for path in (machine / "cache").iterdir())


def test_a_package_is_not_known_yet(machine):
    (machine / "unknown").write_text("busybox-static", encoding="ascii")
    said, updates = build(machine)
    assert "Debian package 'busybox-static' is not known here: fetching fresh package lists" in said, said
    assert said.endswith("unpacked\n") and updates == 1, said


def test_a_mirror_that_has_nothing(machine):
    """Once is enough."""
    (machine / "bin/apt-get").write_text(f'#!/bin/sh\necho "$1" >>{machine}/calls\n[ "$1" = update ]\n', encoding="ascii")
    said, updates = build(machine)
    assert said.endswith(f"cannot download {KERNEL} 1, with fresh package lists, too; look at the network and /etc/apt/sources.list\n"), said
    assert updates == 1
