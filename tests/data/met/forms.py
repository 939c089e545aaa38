"""Writes the forms of plain.asc and all-usages.asc that mail, editors and other programs make of a key. Called by make."""
import base64
import re

text = open("plain.asc").read()
begin, body, checksum, end = re.fullmatch(
    r"(-----BEGIN [^\n]*\n)\n([A-Za-z0-9+/=\n]+\n)(=[A-Za-z0-9+/]{4}\n)(-----END [^\n]*\n)", text
).groups()
octets = base64.b64decode(body)


def write(name, octets):
    open(name, "wb").write(octets if isinstance(octets, bytes) else octets.encode())


def armor(octets, label="PRIVATE"):
    lines = base64.encodebytes(octets).decode()
    return f"-----BEGIN PGP {label} KEY BLOCK-----\n\n{lines}-----END PGP {label} KEY BLOCK-----\n"


write("blanks-at-ends.asc", re.sub(r"(?m)$", "  ", text))
write("indented.asc", re.sub(r"(?m)^", "\t  ", text))
write("blank-lines.asc", text.replace("\n", "\n\n"))
write("dos.asc", text.replace("\n", "\r\n"))
write("old-mac.asc", text.replace("\n", "\r"))
write("latin-1-comment.asc", text.replace("\n\n", "\nVersion: GnuPG v1\nComment: Schlüssel für zu Hause\n\n", 1).encode("latin-1"))
write("odd-headers.asc", text.replace("\n\n", "\nComment:\nHash: SHA256\nno header at all!\nコメント：鍵\n\n", 1))
write("no-blank-line.asc", text.replace("\n\n", "\nVersion: 1\n", 1))
write("no-checksum.asc", begin + "\n" + body + end)
write("wrong-checksum.asc", begin + "\n" + body + "=AAAA\n" + end)
write("one-line.asc", begin + "\n" + body.replace("\n", "") + "\n" + checksum + end)
write("in-a-mail.asc", "Hello,\n\nhere is it -----\n\n" + text + "\nAnna\n-- \n+49 30 =Anna\n")
write("byte-order-mark.asc", "\ufeff" + text)
write("utf-16.asc", ("\ufeff" + text.replace("\n", "\r\n")).encode("utf-16-le"))
write("twice.asc", text + text)


def packets(octets):
    """Tag, body; of the formats that GnuPG writes."""
    found = []
    while octets:
        first = octets[0]
        assert first & 0x80
        if first & 0x40:
            tag, at = first & 0x3F, 1
            length = octets[1]
            size = 1
            if length >= 192 and length < 224:
                length, size = ((length - 192) << 8) + octets[2] + 192, 2
            elif length == 255:
                length, size = int.from_bytes(octets[2:6], "big"), 5
            at += size
        else:
            tag, size = first >> 2 & 0xF, 1 << (first & 3)
            length, at = int.from_bytes(octets[1 : 1 + size], "big"), 1 + size
        found.append((tag, octets[at : at + length]))
        octets = octets[at + length :]
    return found


def written(found):
    return b"".join(bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body for tag, body in found)


SECRET_KEY, SECRET_SUBKEY, PUBLIC_KEY, PUBLIC_SUBKEY, SIGNATURE, USER_ID = 5, 7, 6, 14, 2, 13
own = packets(octets)
first_user, first_subkey = [t for t, _ in own].index(USER_ID), [t for t, _ in own].index(SECRET_SUBKEY)
write("subkey-before-user-ids.asc", armor(written(own[:first_user] + own[first_subkey:] + own[first_user:first_subkey])))
whole = packets(open("public-then-secret.gpg", "rb").read())
secret_from = [t for t, _ in whole].index(SECRET_KEY)
write("public-and-secret-in-one-block.asc", armor(written(whole)))
write("secret-and-public-in-one-block.asc", armor(written(whole[secret_from:] + whole[:secret_from])))
write("labelled-public.asc", armor(octets, "PUBLIC"))

# Secret parts that are elsewhere, as GnuPG writes it: S2K 101, "GNU", 1 for nowhere or 2 for a card with its serial number.
CARD = bytes([255, 0, 101, 0]) + b"GNU" + bytes([2, 16]) + bytes.fromhex("d2760001240103040006123456780000")


def on_card(body, name):
    """An Ed25519 or Curve25519 key packet without its secret part."""
    at = 6 + 1 + body[6]
    at += 2 + (int.from_bytes(body[at : at + 2], "big") + 7) // 8
    if body[5] == 18:
        at += 1 + body[at]
    return body[:at] + CARD


def with_cards(found, which):
    subkey = -1
    for tag, body in found:
        if tag == SECRET_SUBKEY:
            subkey += 1
        at = "primary" if tag == SECRET_KEY else subkey if tag == SECRET_SUBKEY else None
        yield tag, on_card(body, at) if at in which else body


write("card.asc", armor(written(with_cards(own, {"primary", 0}))))
write("subkey-on-card.asc", armor(written(with_cards(own, {0}))))
# Its subkeys sign, encrypt and authenticate, in this order.
usages = packets(base64.b64decode("".join(open("all-usages.asc").read().split("\n\n", 1)[1].split("\n=")[0].split())))
write("signing-on-card.asc", armor(written(with_cards(usages, {0, 2}))))
