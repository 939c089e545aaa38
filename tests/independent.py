"""What a mail account holds, seen by another IMAP client than ours: JSON on the standard output.

Usage: independent.py PORT LOGIN PASSWORD
"""
import email
import imaplib
import json
import re
import sys

port, login, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = imaplib.IMAP4("127.0.0.1", port)
client.login(login, password)


def messages(folder):
    status, count = client.select(f'"{folder}"', readonly=True)
    assert status == "OK", folder
    if count[0] == b"0":
        return []
    status, parts = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
    assert status == "OK", folder
    found = []
    for part in parts:
        if not isinstance(part, tuple):
            continue
        message = email.message_from_bytes(part[1])
        types = [p.get_content_type() for p in message.walk()]
        headers = {name.lower(): value for name, value in message.items()}
        found.append({"head": part[0].decode(), "headers": headers, "types": types})
    return found


folders = {}
_, lines = client.list()
for line in lines:
    name = re.match(r'\(.*?\) (?:NIL|"[^"]*") (.*)$', line.decode()).group(1).strip('"')
    folders[name] = messages(name)
_, subscribed = client.lsub()
client.logout()
json.dump({"folders": folders, "subscribed": [line.decode() for line in subscribed if line]}, sys.stdout)
