"""A guest's QEMU, asked in its own words by way of libvirt."""

import json
import shutil

from cloud import run

THERE = shutil.which("virsh") is not None


class Monitor:
    def __init__(self, cloud, guest):
        self.uri, self.guest = f"qemu+unix:///system?socket={cloud.home}/libvirt/run/libvirt-sock", guest

    def ask(self, command, **arguments):
        question = json.dumps({"execute": command, "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}})
        answer = json.loads(run("virsh", "-c", self.uri, "qemu-monitor-command", self.guest.id, question).stdout)
        assert "return" in answer, answer
        return answer["return"]

    def device(self, volume):
        """The path of its device, and the node that it writes to."""
        block = next(b for b in self.ask("query-block") if f"ua-{volume}" in b.get("qdev", ""))
        return block["qdev"], block["inserted"]["node-name"]

    def free_port(self):
        """A PCIe port that nothing is plugged into: the last one, libvirt takes the first."""
        (bus, *_) = self.ask("query-pci")
        return [d["qdev_id"] for d in bus["devices"] if "pci_bridge" in d and not d["pci_bridge"].get("devices")][-1]
