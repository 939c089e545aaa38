"""Writes forms of revocable.asc that no tool writes. Called by make."""
import base64
import re

text = open("revocable.asc").read()
begin, body, end = re.fullmatch(r"(-----BEGIN [^\n]*\n)\n(.*\n)=[^\n]*\n(-----END [^\n]*\n)", text, re.S).groups()
octets = base64.b64decode(body)
# Between the primary key and the first user id a packet of type 60, which nobody has to know.
first = 2 + octets[1]
strange = base64.encodebytes(octets[:first] + bytes([0xFC, 1, 0]) + octets[first:]).decode()
open("packet-of-no-type.asc", "w").write(f"{begin}\n{strange}{end}")
open("blanks-in-data.asc", "w").write(re.sub(r"(?m)^([A-Za-z0-9+/]{30})", r"\1 ", text))
open("blocks-on-one-line.asc", "w").write(open("revocable.pub.asc").read().rstrip("\n") + text)
