"""What a mail client does on an account, by Python's imaplib. Ends with 0 if every answer is as it must be.

Usage: mail_client.py PORT LOGIN PASSWORD PREFIX
"""
import imaplib
import sys

port, login, password, prefix = int(sys.argv[1]), *sys.argv[2:5]
MAIL = b"From: anna@example.org\r\nTo: bert@example.org\r\nSubject: greetings\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n"


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def connect():
    client = imaplib.IMAP4("127.0.0.1", port)
    ok(client.login(login, password))
    return client


wrong = imaplib.IMAP4("127.0.0.1", port)
try:
    wrong.login(login, "not-" + password)
    sys.exit("a wrong password is taken")
except imaplib.IMAP4.error:
    wrong.logout()

client, other = connect(), connect()
folder = f'"{prefix}Two Words"'
ok(client.create(folder))
ok(client.subscribe(folder))
assert any(folder.encode() in line for line in ok(client.list())), client.list()
assert any(folder.encode() in line for line in ok(client.lsub()))
ok(client.append(folder, "(\\Flagged)", None, MAIL))
ok(client.append(folder, None, imaplib.Time2Internaldate(1577880000), MAIL.replace(b"<1@", b"<2@")))
assert ok(client.select(folder)) == [b"2"]
assert ok(client.search(None, "FLAGGED")) == [b"1"]
assert ok(client.search(None, "SUBJECT", "greetings", "UNSEEN")) == [b"1 2"]
ok(client.uid("STORE", "1:*", "+FLAGS", "(\\Seen)"))
parts = [part for part in ok(client.fetch("1:2", "(UID FLAGS BODY.PEEK[])")) if isinstance(part, tuple)]
assert [part[1] for part in parts] == [MAIL, MAIL.replace(b"<1@", b"<2@")], parts
assert all(b"\\Seen" in part[0] for part in parts)
envelope = ok(client.fetch("1", "(ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)"))[0]
assert b'"greetings"' in envelope and str(len(MAIL)).encode() in envelope
assert b"2020" in ok(client.fetch("2", "(INTERNALDATE)"))[0]
copies = f'"{prefix}copies"'
ok(client.create(copies))
ok(client.copy("1:2", copies))
assert b"MESSAGES 2" in ok(client.status(copies, "(MESSAGES UIDNEXT)"))[0]
ok(other.select(folder))
ok(client.store("1", "+FLAGS.SILENT", "(\\Deleted)"))
assert ok(client.expunge()) == [b"1"]
ok(other.noop())
assert other.response("EXPUNGE")[1] == [b"1"]
ok(client.rename(copies, f'"{prefix}renamed"'))
ok(client.delete(f'"{prefix}renamed"'))
assert client.status(copies, "(MESSAGES)")[0] == "NO"
status, refused = client.append(f'"{prefix}missing"', None, None, MAIL)
assert status == "NO" and b"TRYCREATE" in refused[0], refused
ok(client.close())
client.logout()
other.logout()
