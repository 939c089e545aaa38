"""Writes keys of version 5, as LibrePGP has them (draft-koch-librepgp), which GnuPG 2.2 does not make. Called by make; wants the package cryptography."""
import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

MADE = 1767225600
EDDSA, ECDH = 22, 18
ED25519 = bytes.fromhex("2b06010401da470f01")
CV25519 = bytes.fromhex("2b060104019755010501")
CV25519_KDF = bytes([3, 1, 8, 7])


def number(octets, of=4):
    return octets.to_bytes(of, "big")


def mpi(octets):
    octets = octets.lstrip(b"\0")
    return number((len(octets) - 1) * 8 + octets[0].bit_length(), 2) + octets


def packet(tag, body):
    return bytes([0xC0 | tag, 0xFF]) + number(len(body)) + body


def checksum(octets):
    crc = 0xB704CE
    for octet in octets:
        crc ^= octet << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return number(crc & 0xFFFFFF, 3)


class Key:
    def __init__(self, version, algorithm):
        self.version, self.algorithm = version, algorithm
        self.private = (Ed25519PrivateKey if algorithm == EDDSA else X25519PrivateKey).generate()
        point = b"\x40" + self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        oid, kdf = (ED25519, b"") if algorithm == EDDSA else (CV25519, CV25519_KDF)
        material = bytes([len(oid)]) + oid + mpi(point) + kdf
        count = number(len(material)) if version == 5 else b""
        self.public = bytes([version]) + number(MADE) + bytes([algorithm]) + count + material
        secret = self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        secret = mpi(secret if algorithm == EDDSA else secret[::-1])
        counts = b"\0" + number(len(secret)) if version == 5 else b""
        self.secret = self.public + b"\0" + counts + secret + number(sum(secret) & 0xFFFF, 2)
        head = b"\x9a" + number(len(self.public)) if version == 5 else b"\x99" + number(len(self.public), 2)
        self.hashed = head + self.public
        self.fingerprint = hashlib.sha256(self.hashed).digest() if version == 5 else hashlib.sha1(self.hashed).digest()

    def sign(self, kind, data, *subpackets):
        issuer = bytes([33, self.version]) + self.fingerprint
        created = b"\x02" + number(MADE)
        # GnuPG wants the short name as well.
        short = [b"\x10" + self.fingerprint[-8:]] if self.version == 4 else []
        subpackets = b"".join(bytes([len(s)]) + s for s in (created, issuer, *short, *subpackets))
        signed = bytes([self.version, kind, EDDSA, 8]) + number(len(subpackets), 2) + subpackets
        length = number(len(signed), 8 if self.version == 5 else 4)
        digest = hashlib.sha256(data + signed + bytes([self.version, 0xFF]) + length).digest()
        made = self.private.sign(digest)
        return packet(2, signed + b"\0\0" + digest[:2] + mpi(made[:32]) + mpi(made[32:]))


def written(name, primary, subkeys, is_secret=True):
    user = f"Anna <{name}@example.org>".encode()
    octets = packet(5 if is_secret else 6, primary.secret if is_secret else primary.public)
    data = primary.hashed + b"\xb4" + number(len(user)) + user
    octets += packet(13, user) + primary.sign(0x13, data, bytes([27, 3]))
    for subkey in subkeys:
        octets += packet(7 if is_secret else 14, subkey.secret if is_secret else subkey.public)
        octets += primary.sign(0x18, primary.hashed + subkey.hashed, bytes([27, 12]))
    label = "PRIVATE" if is_secret else "PUBLIC"
    text = base64.encodebytes(octets).decode() + "=" + base64.b64encode(checksum(octets)).decode() + "\n"
    end = ".asc" if is_secret else ".pub.asc"
    open(name + end, "w").write(f"-----BEGIN PGP {label} KEY BLOCK-----\n\n{text}-----END PGP {label} KEY BLOCK-----\n")


for name, primary, subkeys in (
    ("librepgp", 5, [5]),
    ("librepgp-subkey", 4, [5]),
    ("librepgp-beside", 4, [4, 5]),
    ("librepgp-made-by-hand", 4, [4]),
):
    primary = Key(primary, EDDSA)
    subkeys = [Key(version, ECDH) for version in subkeys]
    written(name, primary, subkeys)
    written(name, primary, subkeys, is_secret=False)
