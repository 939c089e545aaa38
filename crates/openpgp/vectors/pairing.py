"""Checks pairing.json with Python's standard library alone: docs/protocol.md, section 7.3, written a second time.

Usage: pairing.py FILE
"""
import hashlib
import hmac
import json
import sys

# edwards25519 (RFC 8032, section 5.1)
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def encode(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(octets):
    number = int.from_bytes(octets, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "no point"
    return (P - x if x & 1 != sign else x), y


B = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
M = decode(bytes.fromhex("15cfd18e385952982b6a8f8c7854963b58e34388c8e6dae891db756481a02312"))
N = decode(bytes.fromhex("f04f2e7eb734b2a8f8b472eaf9c3c632576ac64aea650b496a8a20ff00e583c3"))


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf(salt, secret, info, length):
    key, block, out = mac(salt or bytes(32), secret), b"", b""
    while len(out) < length:
        block = mac(key, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


def chacha_block(key, counter, nonce):
    rotate = lambda v, n: (v << n | v >> 32 - n) & 0xFFFFFFFF
    words = [int.from_bytes((b"expand 32-byte k" + key + counter.to_bytes(4, "little") + nonce)[i:i + 4], "little")
             for i in range(0, 64, 4)]
    state = words[:]
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[x] = (state[x] + state[y]) & 0xFFFFFFFF
                state[z] = rotate(state[z] ^ state[x], n)
    return b"".join(((a + b) & 0xFFFFFFFF).to_bytes(4, "little") for a, b in zip(state, words))


def open_bundle(key, bundle):
    nonce, text, tag = bundle[:12], bundle[12:-16], bundle[-16:]
    once = chacha_block(key, 0, nonce)
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    message = text + bytes(-len(text) % 16) + bytes(8) + len(text).to_bytes(8, "little")
    sum_ = 0
    for at in range(0, len(message), 16):
        sum_ = (sum_ + int.from_bytes(message[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    found = (sum_ + int.from_bytes(once[16:32], "little")) % 2**128
    assert found.to_bytes(16, "little") == tag, "the bundle's tag"
    stream = b"".join(chacha_block(key, 1 + at // 64, nonce) for at in range(0, len(text), 64))
    padded = bytes(a ^ b for a, b in zip(text, stream))
    length = int.from_bytes(padded[:4], "big")
    assert not any(padded[4 + length:]), "zeros behind the content"
    exponent = (4 + length).bit_length() - 1
    mask = (1 << exponent - exponent.bit_length()) - 1
    assert len(padded) == (4 + length + mask) & ~mask, "the Padmé length"
    return padded[4:4 + length]


vectors = json.load(open(sys.argv[1]))
octets = {name: bytes.fromhex(value) for name, value in vectors.items() if isinstance(value, str) and name != "code"}
checked = []


def check(name, found):
    assert found == octets[name], f"{name}: {found.hex()} is not {octets[name].hex()}"
    checked.append(name)


digits = vectors["code"].replace(" ", "")
assert len(digits) == 9
check("password", digits[:8].encode())
parts = dict((name, bytes.fromhex(value)) for name, value in vectors["parts of T"])
check("identity of the member", b"sma-member" + parts["session"])
check("identity of the newcomer", b"sma-newcomer" + parts["session"])

# SPAKE2: the member is side A with M, the newcomer side B with N.
password = octets["password"]
w = int.from_bytes(hkdf(b"", password, b"SPAKE2 pw", 48), "big") % L
a, n = (int.from_bytes(octets[name], "little") for name in ("scalar a", "scalar n"))
check("Ya", b"A" + encode(add(times(a, B), times(w, M))))
check("Yn", b"B" + encode(add(times(n, B), times(w, N))))
ya, yn = octets["Ya"][1:], octets["Yn"][1:]
point = times(a, add(decode(yn), times(L - w, N)))
assert point == times(n, add(decode(ya), times(L - w, M))), "the sides disagree"
check("K", sha256(sha256(password), sha256(octets["identity of the member"]),
                  sha256(octets["identity of the newcomer"]), ya, yn, encode(point)))

# T and the keys.
assert parts["Ya"] == octets["Ya"] and parts["Yn"] == octets["Yn"]
fields = [b"autocrypt-sma-pair-v1"] + [bytes.fromhex(value) for _, value in vectors["parts of T"]]
check("octets that T hashes", b"".join(len(field).to_bytes(8, "big") + field for field in fields))
check("T", sha256(octets["octets that T hashes"]))
for name, info in (("Kn", b"newcomer"), ("Km", b"member"), ("Kw", b"bundle")):
    check(name, hkdf(octets["T"], octets["K"], b"autocrypt-sma-" + info + b"-v1", 32))
for key in ("Kn", "Km"):
    check(f"MAC({key}, T)", mac(octets[key], octets["T"]))
check("plain text", open_bundle(octets["Kw"], octets["bundle"]))

left = set(octets) - set(checked) - {"scalar a", "scalar n", "bundle"}
assert not left, f"not checked: {left}"
