"""A guest of one boot sector that has volumes: it is up at once, obeys the power button and lets go of what the host wants back. Its volumes
are written by its QEMU's device, and read as its QEMU sees them."""

import hashlib
import subprocess

from monitor import Monitor
from trial import LIFE_S, TrialCloud, insist, soon

BLOCK = 64 << 10
BLOCKS = 12  # that a check reads


def obeying_sector(text):
    """A disk that prints the text on the serial port; then, with each tick of the timer, powers off if the power button was pressed
    (port 0x600 holds the event bits, 0x604 takes the command), and lets go of all devices that the host wants back: by the
    registers at 0xcc0 (QEMU's docs/specs/acpi_pci_hotplug), bus by bus."""
    code = bytes.fromhex("FA 31C0 8ED8"                             # cli; ds = 0
                         "BE 0000 FC AC 84C0 7406 BAF803 EE EBF5"   # each byte of the text to port 0x3f8
                         "BA0206 B80001 EF"                         # let the button set its bit
                         "FB F4"                                    # again: wait for a tick
                         "BA0006 ED F6C401 7407 BA0406 B80020 EF"   # off, if it was pressed
                         "6631C9 BAD00C 6689C8 66EF"                # select the next bus
                         "BAC40C 66ED 6685C0 7405 BAC80C 66EF"      # eject what is to go
                         "41 83F920 75E3 EBCC")
    code = code.replace(b"\xbe\0\0", b"\xbe" + (0x7C00 + len(code)).to_bytes(2, "little"), 1)
    return (code + text.encode() + b"\0").ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)


class SectorGuest:
    """Named as TrialGuest is, where both can the same."""

    def __init__(self, cloud, instance_id):
        self.cloud, self.id = cloud, instance_id
        self.written = 0
        self.socket = cloud.shared / "nbd"
        self.monitor = Monitor(cloud.home / "libvirt/run/libvirt-sock", instance_id)

    # --- its QEMU

    def ask(self, command, **arguments):
        """What QEMU's monitor returns. A libvirtd that has just come back is asked again."""
        def answer():
            try:
                return self.monitor.ask(command, arguments)
            except OSError:
                return None
        found = soon(f"an answer to {command} {arguments}", answer, LIFE_S)
        assert "error" not in found, f"{command} {arguments}: {found}"
        return found["return"]

    def device(self, volume):
        """What QEMU has inserted in the volume's device; None where it has none."""
        found = [b.get("inserted") for b in self.ask("query-block") if f"/ua-{volume}/" in b.get("qdev", "")]
        return found[0] if found else None

    # --- what lives ask

    def up(self):
        """When it runs: QEMU has begun the log of its serial port anew then."""
        soon("the guest is up", lambda: self.cloud.times_up(self.id) > 0, LIFE_S)
        self.socket.unlink(missing_ok=True)
        self.ask("nbd-server-start", addr={"type": "unix", "data": {"path": str(self.socket)}})

    def start_again(self, start):
        start()
        self.up()

    def look_alive(self):
        assert self.ask("query-status")["status"] == "running"

    def has(self, volume):
        return self.device(volume) is not None

    def size(self, volume):
        return self.device(volume)["image"]["virtual-size"]

    def read(self, volume):
        """The checksum of its begin, by an export that lasts as long as that."""
        node = soon(f"QEMU has {volume}", lambda: self.device(volume), LIFE_S)["node-name"]
        copy = self.cloud.directory / "copy"
        copy.unlink(missing_ok=True)
        self.ask("block-export-add", type="nbd", id="look", **{"node-name": node}, name="look", writable=False)
        try:
            subprocess.run(["qemu-img", "dd", "-f", "raw", "-O", "raw", f"bs={BLOCK}", f"count={BLOCKS}",
                            f"if=nbd+unix:///look?socket={self.socket}", f"of={copy}"], check=True, capture_output=True, timeout=LIFE_S)
        finally:
            self.ask("block-export-del", id="look", mode="hard")
        soon("the export is gone", lambda: not self.ask("query-block-exports"), LIFE_S)
        return hashlib.sha256(copy.read_bytes()).hexdigest()

    def write(self, volume, number):
        """Another part of the volume, with bytes not used before; what it holds then."""
        self.written += 1
        device = f"/machine/peripheral/ua-{volume}/virtio-backend"
        for command in (f"write -P {1 + self.written % 255} {2 * number * BLOCK} {3 * BLOCK}", "flush"):
            self.ask("human-monitor-command", **{"command-line": f'qemu-io -d {device} "{command}"'})
        return self.read(volume)

    def disconnect(self):
        self.monitor.close()


class SectorCloud(TrialCloud):
    """With one guest for all lives."""

    slots = 3
    sector = staticmethod(obeying_sector)

    def __init__(self):
        super().__init__()
        self.guest = self.zone = None
        self.shared = self.directory / "shared"  # QEMU's user makes a socket there
        self.shared.mkdir()
        self.shared.chmod(0o777)

    def begin_lives(self):
        super().begin_lives()
        launched = insist(self.client().run_instances, ImageId=self.image, InstanceType="t3.nano", MinCount=1, MaxCount=1)["Instances"][0]
        self.zone = launched["Placement"]["AvailabilityZone"]
        self.guest = SectorGuest(self, launched["InstanceId"])
        self.wait_state(self.guest.id, "running")
        self.guest.up()

    def forget(self):
        if self.guest:
            self.guest.disconnect()
        super().forget()
