"""Opens a LUKS1 header (On-Disk Format Specification 1.2.3) and decrypts sectors under it, without QEMU or cryptsetup."""

import hashlib
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SECTOR = 512


def decrypt(key, sector, data):
    """Whole sectors from this one on; aes-xts-plain64."""
    out = b""
    for at in range(0, len(data), SECTOR):
        tweak = struct.pack("<QQ", sector + at // SECTOR, 0)
        decryptor = Cipher(algorithms.AES(key), modes.XTS(tweak)).decryptor()
        out += decryptor.update(data[at:at + SECTOR]) + decryptor.finalize()
    return out


def diffused(block, name):
    size = hashlib.new(name).digest_size
    return b"".join(hashlib.new(name, struct.pack(">I", n) + block[at:at + size]).digest()[:len(block[at:at + size])]
                    for n, at in enumerate(range(0, len(block), size)))


def merged(material, key_bytes, name):
    """The anti-forensic splitter, backwards."""
    block = bytes(key_bytes)
    for at in range(0, len(material) - key_bytes, key_bytes):
        block = diffused(xor(block, material[at:at + key_bytes]), name)
    return xor(block, material[-key_bytes:])


def xor(a, b):
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def volume_key(file, at, secret):
    """Of the header at this offset of the file, under its first key slot."""
    header = os.pread(file, 592, at)
    magic, version, cipher, mode, name = struct.unpack_from(">6sH32s32s32s", header)
    assert (magic, version, cipher.rstrip(b"\0"), mode.rstrip(b"\0")) == (b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64")
    name = name.rstrip(b"\0").decode()
    key_bytes, digest, salt, rounds = struct.unpack_from(">I20s32sI", header, 108)
    assert key_bytes == 64, "AES-256 takes two keys of 256 bits for XTS"
    slot_rounds, slot_salt, material_at, stripes = struct.unpack_from(">I32sII", header, 212)
    slot_key = hashlib.pbkdf2_hmac(name, secret, slot_salt, slot_rounds, key_bytes)
    material = os.pread(file, (key_bytes * stripes + SECTOR - 1) // SECTOR * SECTOR, at + material_at * SECTOR)
    key = merged(decrypt(slot_key, 0, material)[:key_bytes * stripes], key_bytes, name)
    assert hashlib.pbkdf2_hmac(name, key, salt, rounds, 20) == digest, "the passphrase does not open it"
    return key
