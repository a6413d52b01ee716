"""The interactive serial console of a real guest, on a terminal."""

import os
import signal

import pytest

from cloud import ROOT, run
from terminal import Terminal

MINICLOUD = ROOT / "build" / "minicloud"
ESCAPE = "\x1d"


@pytest.fixture(scope="module")
def guest(pair):
    """One that can be logged into by password, as its image says."""
    pair[0].ssh('sudo sed -i "s|^ec2-user:[^:]*|ec2-user:$(mkpasswd open-sesame)|" /etc/shadow')
    return pair[0]


def console(cloud, guest, *words, **more):
    return Terminal([MINICLOUD, "console", guest.id, *words], cloud.environment(**more))


def test_log_in(cloud, guest):
    with console(cloud, guest) as t:
        t.expect("Ctrl-]")
        t.type("\r")
        t.expect("login: ")
        t.type("ec2-user\r")
        t.expect("assword: ")
        t.type("open-sesame\r")
        t.expect(r"[$] ")
        assert not t.mode_is_restored()
        t.type("echo $((6 * 7))-$(tty)\r")  # what is typed comes back, too
        t.expect("42-/dev/ttyS0")
        t.type("sh -c 'echo sleep$((5 * 5)); exec sleep 1000'\r")
        t.expect("sleep25")
        t.type("\x03")  # Ctrl-C is the guest's
        t.expect(r"[$] ")
        t.type("seq 20000; echo $((20000 * 3))\r")  # more than any buffer on the way
        t.expect("60000\r", timeout=300)
        t.type("exit\r")
        t.expect("login: ")
        t.type(ESCAPE)
        t.expect("left")
        assert t.end() == 0
        assert t.mode_is_restored()


def test_one_session_has_it(cloud, guest):
    with console(cloud, guest) as first:
        first.expect("Ctrl-]")
        first.type("\r")
        first.expect("login: ")
        with console(cloud, guest) as second:
            second.expect("(?s)ConsoleInUse.*--force")
            assert second.end() == 254
        with console(cloud, guest, "--force") as third:
            third.expect("Ctrl-]")
            first.expect("another session has taken this console")
            assert first.end() == 0 and first.mode_is_restored()
            third.type("\r")
            third.expect("login: ")
            third.type(ESCAPE)
            assert third.end() == 0
    with console(cloud, guest) as again:  # nobody has it any more
        again.expect("Ctrl-]")
        again.type("\r")
        again.expect("login: ")
        again.type(ESCAPE)
        assert again.end() == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ended_by_a_signal(cloud, guest, sig):
    with console(cloud, guest) as t:
        t.expect("Ctrl-]")
        t.type("\r")
        t.expect("login: ")  # so it is in raw mode
        t.process.send_signal(sig)
        assert t.end() == 255 and t.mode_is_restored()


def test_the_terminal_hangs_up(cloud, guest):
    with console(cloud, guest) as t:
        t.expect("Ctrl-]")
        t.type("\r")
        t.expect("login: ")
        os.close(t.slave)
        os.close(t.master)
        t.master = t.slave = -1
        assert t.process.wait(timeout=120) == 255


def test_over_the_network(cloud, guest):
    with console(cloud, guest, AWS_ENDPOINT_URL=cloud.endpoint) as t:
        t.expect("Ctrl-]")
        t.type("\r")
        t.expect("login: ")
        t.type(ESCAPE)
        assert t.end() == 0
    with console(cloud, guest, AWS_ENDPOINT_URL=cloud.endpoint, AWS_SECRET_ACCESS_KEY="wrong") as t:
        t.expect("SignatureDoesNotMatch|AuthFailure")
        assert t.end() == 254


def test_refusals(cloud, guest):
    with Terminal([MINICLOUD, "console", "i-00000000000000000"], cloud.environment()) as t:
        t.expect("InvalidInstanceID.NotFound")
        assert t.end() == 254
    done = run(MINICLOUD, "console", guest.id, env=cloud.environment(), check=False, stdin=-3)
    assert done.returncode == 255 and "terminal" in done.stderr
    assert cloud.socket_call("minicloud", "GET", f"/v1/instances/{guest.id}/console")[0] == 426
    assert cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}/serial")[0] == 501
