"""Image files that are out to do harm, made by changing good ones. CORPUS: {name: (format, make, what the
refusal says)}; make(path, directory) writes one."""

import os
import struct
import subprocess

MIB = 1 << 20


def qemu_img(*words):
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def patch(path, *changes):
    """Each change: (offset, bytes)."""
    with open(path, "r+b") as f:
        for offset, data in changes:
            f.seek(offset)
            f.write(data)


def at(path, offset, form):
    with open(path, "rb") as f:
        f.seek(offset)
        return struct.unpack(form, f.read(struct.calcsize(form)))[0]


def filled(path, driver, options=(), size="8M", data=2 * MIB):
    """A good image with some data."""
    raw = f"{path}.raw"
    with open(raw, "wb") as f:
        f.write(b"\7" * data)
    os.truncate(raw, int(size[:-1]) * MIB)
    qemu_img("convert", "-f", "raw", "-O", driver, *options, raw, path)
    os.unlink(raw)


# --- qcow2

def qcow2(*changes, options=()):
    def make(path, _):
        filled(path, "qcow2", options)
        patch(path, *(change(path) if callable(change) else change for change in changes))
    return make


def l1_of(path):
    return at(path, 40, ">Q")


def l2_of(path):
    return at(path, l1_of(path), ">Q") & 0x00fffffffffffe00


def backing(name):
    def make(path, _):
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", path, "8M")
    return make


def data_file(path, directory):
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={directory}/data,data_file_raw=on", path, "1M")


def snapshots(path, _):
    filled(path, "qcow2")
    qemu_img("snapshot", "-c", "one", path)


def bomb(path, _):
    """Every cluster is the same small compressed one."""
    qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", path, "1T")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -c -P 0 0 2M", path], check=True, capture_output=True)
    l2 = l2_of(path)
    patch(path, (l2, struct.pack(">Q", at(path, l2, ">Q")) * (2 * MIB // 8)))


def all_one_cluster(path, _):
    qemu_img("create", "-q", "-f", "qcow2", path, "512M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 1 0 64k", path], check=True, capture_output=True)
    l2 = l2_of(path)
    patch(path, (l2, struct.pack(">Q", at(path, l2, ">Q")) * 8192))


def all_one_table(path, _):
    qemu_img("create", "-q", "-f", "qcow2", path, "1T")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 1 0 64k", path], check=True, capture_output=True)
    l1 = l1_of(path)
    patch(path, (l1, struct.pack(">Q", at(path, l1, ">Q")) * 2048))


def cut(driver, keep, options=()):
    def make(path, _):
        filled(path, driver, options)
        size = os.path.getsize(path)
        os.truncate(path, keep if keep > 0 else size + keep)
    return make


def extension(kind, size, data=b""):
    """The header's first extension, and the end of them behind it."""
    return lambda path: (at(path, 100, ">I"), struct.pack(">II", kind, size) + data + b"\0" * 8)


def q64(offset, value):
    return (offset, struct.pack(">Q", value))


def q32(offset, value):
    return (offset, struct.pack(">I", value))


QCOW2 = {
    "backing file": (backing("/etc/hostname"), "backing file"),
    "backing json": (backing('json:{"driver":"file","filename":"/etc/hostname"}'), "backing file"),
    "backing network": (backing("nbd://127.0.0.1/x"), "backing file"),
    "backing protocol": (backing("fat:rw:/etc"), "backing file"),
    "data file": (data_file, "data file"),
    "data file by extension alone": (qcow2(extension(0x44415441, 24, b'json:{"driver":"null-co"')), "data file"),
    "data file by flag alone": (qcow2(q64(72, 4)), "data file"),
    "huge L1": (qcow2(q32(36, 0x7fffffff)), "impossible size"),
    "L1 outside": (qcow2(q64(40, 1 << 40)), "L1 table lies outside"),
    "L1 too small": (qcow2(q64(24, 1 << 40)), "impossible size"),
    "L1 stands for itself": (qcow2(lambda p: q64(l1_of(p), l1_of(p) | 1 << 63)), "stands for itself"),
    "L2 stands for itself": (qcow2(lambda p: q64(l2_of(p), l2_of(p) | 1 << 63)), "on a table"),
    "L2 outside": (qcow2(lambda p: q64(l1_of(p), 1 << 50 | 1 << 63)), "L2 table lies outside"),
    "cluster outside": (qcow2(lambda p: q64(l2_of(p), 1 << 50 | 1 << 63)), "outside the file"),
    "compressed cluster outside": (qcow2(lambda p: q64(l2_of(p), 1 << 62 | 1 << 40)), "outside the file"),
    "unaligned cluster": (qcow2(lambda p: q64(l2_of(p), at(p, l2_of(p), ">Q") + 512)), "outside the file"),
    "refcounts outside": (qcow2(q64(48, 1 << 60)), "refcount table"),
    "all tables one": (all_one_table, "overlap"),
    "all clusters one": (all_one_cluster, "overlap"),
    "compressed bomb": (bomb, "unpacks to more"),
    "encrypted": (qcow2(q32(32, 1)), "encrypted"),
    "encrypted by LUKS": (qcow2(extension(0x0537be77, 16, struct.pack(">QQ", 65536, 4096))), "encrypted"),
    "internal snapshots": (snapshots, "internal snapshots"),
    "marked corrupt": (qcow2(q64(72, 2)), "corrupt"),
    "unknown feature": (qcow2(q64(72, 1 << 40)), "does not know"),
    "huge clusters": (qcow2(q32(20, 63)), "cluster size"),
    "huge disk": (qcow2(q64(24, 1 << 62)), "virtual size"),
    "no disk": (qcow2(q64(24, 0)), "virtual size"),
    "huge header": (qcow2(q32(100, 0xfffffff8)), "impossible length"),
    "extension outside": (qcow2(extension(0x12345678, 0xffffff00)), "outside the header"),
    "backing name outside": (qcow2(q64(8, 1 << 30), q32(16, 100)), "outside the header"),
    "half a header": (cut("qcow2", 50), "no qcow2"),
    "cut off": (cut("qcow2", 300000), "outside the file"),
    "no qcow2": (lambda p, _: filled(p, "vmdk"), "no qcow2"),
}

# --- VMDK

def l64(offset, value):
    return (offset, struct.pack("<Q", value))


def l32(offset, value):
    return (offset, struct.pack("<I", value))


def descriptor(change):
    """Of a good file, with its descriptor's text changed."""
    def make(path, _):
        filled(path, "vmdk")
        start, size = at(path, 28, "<Q") * 512, at(path, 36, "<Q") * 512
        with open(path, "rb") as f:
            f.seek(start)
            text = f.read(size).rstrip(b"\0").decode()
        changed = change(text)
        assert changed != text
        patch(path, (start, changed.encode().ljust(size, b"\0")[:size]))
    return make


def vmdk(*changes, options=()):
    def make(path, _):
        filled(path, "vmdk", options)
        patch(path, *(change(path) if callable(change) else change for change in changes))
    return make


def gd_of(path):
    return at(path, 56, "<Q") * 512


def gt_of(path):
    return at(path, gd_of(path), "<I") * 512


STREAM = ("-o", "subformat=streamOptimized")


def stream(change):
    """A stream as others write it: its directory is named by a footer; the footer changed."""
    def make(path, _):
        filled(path, "vmdk", STREAM)
        with open(path, "r+b") as f:
            footer = change(f.read(512))
            f.seek(56)
            f.write(b"\xff" * 8)
            f.seek(0, os.SEEK_END)
            f.write(struct.pack("<QII", 1, 0, 3).ljust(512, b"\0") + footer + b"\0" * 512)
    return make


good_stream = stream(lambda header: header)


def flat(path, _):
    with open(path, "w", encoding="ascii") as f:
        f.write('# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
                'RW 16384 FLAT "/etc/passwd" 0\n')


def all_one_grain(path, _):
    qemu_img("create", "-q", "-f", "vmdk", path, "4G")
    subprocess.run(["qemu-io", "-f", "vmdk", "-c", "write -P 1 0 64k", path], check=True, capture_output=True)
    gt = gt_of(path)
    patch(path, (gt, struct.pack("<I", at(path, gt, "<I")) * 512))


def all_one_grain_table(path, _):
    qemu_img("create", "-q", "-f", "vmdk", path, "1T")
    subprocess.run(["qemu-io", "-f", "vmdk", "-c", "write -P 1 0 64k", path], check=True, capture_output=True)
    gd = gd_of(path)
    patch(path, (gd, struct.pack("<I", at(path, gd, "<I")) * 32768))


VMDK = {
    "descriptor alone": (flat, "no VMDK file of one piece"),
    "flat extent": (descriptor(lambda t: t.replace("SPARSE", "FLAT  ")), "other extents"),
    "another file": (descriptor(lambda t: t + '\nRW 16384 FLAT "/etc/passwd" 0\n'), "other extents"),
    "no extent": (descriptor(lambda t: t.replace("RW ", "XX ")), "other extents"),
    "a flat type": (descriptor(lambda t: t.replace("monolithicSparse", "monolithicFlat")), "other extents"),
    "a server's type": (descriptor(lambda t: t.replace("monolithicSparse", "vmfsRawDeviceMap")), "other extents"),
    "parent": (descriptor(lambda t: t.replace("parentCID=ffffffff", "parentCID=12345678")), "parent"),
    "parent by name": (descriptor(lambda t: t + '\nparentFileNameHint="/etc/passwd"\n'), "parent"),
    "no descriptor": (vmdk(l64(28, 0)), "no descriptor"),
    "descriptor outside": (vmdk(l64(28, 1 << 40)), "no descriptor"),
    "huge descriptor": (vmdk(l64(36, 1 << 40)), "no descriptor"),
    "no capacity": (vmdk(l64(12, 0)), "capacity"),
    "huge capacity": (vmdk(l64(12, 1 << 60)), "capacity"),
    "no grain size": (vmdk(l64(20, 0)), "grain size"),
    "odd grain size": (vmdk(l64(20, 100)), "grain size"),
    "huge grain tables": (vmdk(l32(44, 1 << 30)), "impossible size"),
    "unknown version": (vmdk(l32(4, 9)), "unknown version"),
    "directory outside": (vmdk(l64(56, 1 << 40)), "grain directory"),
    "grain table outside": (vmdk(lambda p: l32(gd_of(p), 0x7fffffff)), "grain table lies outside"),
    "grain outside": (vmdk(lambda p: l32(gt_of(p), 0x7fffffff)), "grain lies outside"),
    "all grains one": (all_one_grain, "overlap"),
    "all grain tables one": (all_one_grain_table, "overlap"),
    "no footer": (stream(lambda h: b"\0" * 512), "footer is missing"),
    "another footer": (stream(lambda h: h[:12] + struct.pack("<Q", 1 << 30) + h[20:]), "footer differs"),
    "unknown compression": (vmdk((77, b"\x07\x00"), options=STREAM), "unknown way"),
    "no vmdk": (lambda p, _: filled(p, "qcow2"), "no VMDK"),
}

# --- VHDX

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82f63b78 if crc & 1 else crc >> 1
    return crc ^ 0xffffffff


def vhdx(*changes):
    def make(path, _):
        filled(path, "vhdx")
        patch(path, *(change(path) if callable(change) else change for change in changes))
    return make


def region(path, guid):
    """Where the entry of a region or of a metadata item is in its table."""
    with open(path, "rb") as f:
        data = f.read(4 * MIB)
    return data.index(bytes.fromhex(guid))


BAT, METADATA = "6677c22d23f600429d64115e9bfd4a08", "06a27c8b90479a4bb8fe575f050f886e"
SIZE = "2442a52f1bcd7648b2115dbed83bf4b8"
PARAMETERS = "3767a1ca36fa434db3b633f0aa44e76b"


def item(path, guid):
    metadata = at(path, region(path, METADATA) + 16, "<Q")
    return metadata + at(path, region(path, guid) + 16, "<I")


def bat_of(path):
    return at(path, region(path, BAT) + 16, "<Q")


def dirty(path, _):
    """Both headers name a log, with their checksums in order."""
    filled(path, "vhdx")
    for place in (64 << 10, 128 << 10):
        with open(path, "rb") as f:
            f.seek(place)
            header = bytearray(f.read(4096))
        header[48:64] = b"\x11" * 16
        header[4:8] = b"\0" * 4
        header[4:8] = struct.pack("<I", crc32c(header))
        patch(path, (place, bytes(header)))


def all_one_block(path, _):
    qemu_img("create", "-q", "-f", "vhdx", path, "64G")
    bat = bat_of(path)
    patch(path, (bat, struct.pack("<Q", (1 << 20) | 6) * 256))
    os.truncate(path, 64 * MIB)


VHDX = {
    "parent": (vhdx(lambda p: l32(item(p, PARAMETERS) + 4, 2)), "parent"),
    "blocks of a parent": (vhdx(lambda p: l64(bat_of(p), (4 << 20) | 7)), "parent"),
    "dirty log": (dirty, "log is not empty"),
    "broken headers": (vhdx((64 << 10, b"\0" * 4096), (128 << 10, b"\0" * 4096)), "headers"),
    "no regions": (vhdx((192 << 10, b"\0" * 65536)), "region table"),
    "many regions": (vhdx(l32((192 << 10) + 8, 0xffffffff)), "impossible size"),
    "table outside": (vhdx(lambda p: l64(region(p, BAT) + 16, 1 << 50)), "region lies outside"),
    "metadata outside": (vhdx(lambda p: l64(region(p, METADATA) + 16, 1 << 50)), "region lies outside"),
    "unknown region": (vhdx(l32((192 << 10) + 8, 3), ((192 << 10) + 16 + 64, b"\x42" * 28 + b"\1\0\0\0")), "not known"),
    "item outside": (vhdx(lambda p: l32(region(p, SIZE) + 16, 0xfffffff0)), "outside their region"),
    "no block size": (vhdx(lambda p: l32(item(p, PARAMETERS), 0)), "block size"),
    "huge disk": (vhdx(lambda p: l64(item(p, SIZE), 1 << 62)), "virtual size"),
    "table too small": (vhdx(lambda p: l64(item(p, SIZE), 1 << 45)), "too small"),
    "block outside": (vhdx(lambda p: l64(bat_of(p), (1 << 50) | 6)), "block lies outside"),
    "all blocks one": (all_one_block, "overlap"),
    "cut off": (cut("vhdx", 100000), "region table"),
    "no vhdx": (lambda p, _: filled(p, "qcow2"), "no VHDX"),
}

# --- VHD

def vhd(*changes):
    def make(path, _):
        filled(path, "vpc")
        patch(path, *(change(path) if callable(change) else change for change in changes))
    return make


VHD = {
    "parent": (vhd(q32(60, 4)), "parent"),
    "unknown type": (vhd(q32(60, 9)), "unknown type"),
    "huge disk": (vhd(q64(48, 1 << 60)), "virtual size"),
    "no dynamic header": (vhd(q64(16, 1 << 50)), "dynamic header"),
    "table outside": (vhd(q64(512 + 16, 1 << 50)), "block table lies outside"),
    "huge table": (vhd(q32(512 + 28, 0xffffffff)), "block table lies outside"),
    "no block size": (vhd(q32(512 + 32, 0)), "block size"),
    "block outside": (vhd(lambda p: q32(at(p, 512 + 16, ">Q"), 0x7fffffff)), "block lies outside"),
    "all blocks one": (vhd(lambda p: (at(p, 512 + 16, ">Q"), struct.pack(">I", at(p, at(p, 512 + 16, ">Q"), ">I")) * 4)), "overlap"),
    "no vhd": (lambda p, _: filled(p, "raw"), "no VHD"),
}

# --- raw

def text(data):
    def make(path, _):
        with open(path, "wb") as f:
            f.write(data)
        os.truncate(path, 4096)
    return make


def sized(size):
    def make(path, _):
        with open(path, "wb") as f:
            f.truncate(size)
    return make


RAW = {
    "a qcow2": (lambda p, _: filled(p, "qcow2"), "is a qcow2"),
    "a vmdk": (lambda p, _: filled(p, "vmdk"), "is a VMDK"),
    "a descriptor": (text(b'# Disk DescriptorFile\nRW 8 FLAT "/etc/passwd" 0\n'), "descriptor"),
    "json": (text(b'json:{"driver":"file","filename":"/etc/passwd"}'), "JSON"),
    "odd size": (sized(513), "multiple"),
    "nothing": (sized(0), "multiple"),
}

CORPUS = {f"{form}: {name}": (form, make, says)
          for form, table in (("qcow2", QCOW2), ("vmdk", VMDK), ("vhdx", VHDX), ("vhd", VHD), ("raw", RAW))
          for name, (make, says) in table.items()}
