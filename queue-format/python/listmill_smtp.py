"""One SMTP transaction at a time, and its outcome as it stands in a recipient line (SPEC.md, chapter 12). Standard library only."""

import re
import smtplib
import socket

from listmill_spool import instant, now


def outcome(code, text, status=None):
    """How an attempt ended, as it stands in a recipient line. `text`: what the next host said, as smtplib has it."""
    lines = text.decode("utf-8", "replace").split("\n") if isinstance(text, bytes) else [text]
    found = re.match(rf"{code // 100}\.\d{{1,3}}\.\d{{1,3}}(?= |$)", lines[0])  # an enhanced status code stands on each line (RFC 2034 §4)
    text = " ".join(line.removeprefix(found[0] if found else "").strip() for line in lines)
    status = status or (found[0] if found else f"{code // 100}.0.0")
    return {"at": instant(now()), "code": code, "status": status, "text": re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text)[:1000]}


def is_sendable(address):
    """Can it stand between angle brackets without being anything else (command injection)?"""
    bare = re.sub(r'"(\\.|[^"\\])*"', "", address)
    return 0 < len(address) <= 1000 and not re.search(r'[<> "]', bare) and not re.search(r"[\x00-\x1f\x7f-\x9f]", address)


class Relay:
    """The next host, and the one connection to it."""

    def __init__(self, relay):
        host, _, port = relay.rpartition(":")
        self.host, self.port, self.smtp = host.strip("[]"), int(port), None

    def send(self, entry, recipient):
        """One transaction, and its outcome."""
        sender, address = recipient["return_path"], recipient["address"]
        if not is_sendable(address) or (sender and not is_sendable(sender)):
            return outcome(553, "the address cannot stand in an SMTP command", "5.1.3")
        fields = "".join(field + "\r\n" for field in recipient.get("headers", []))
        # What a bare CR or LF would be taken for is not ours to guess (RFC 5321 §2.3.8).
        message = fields.encode() + re.sub(rb"\r\n|\r|\n", b"\r\n", entry.message)
        declared = entry.head["envelope"].get("smtputf8", False) and not entry.message.isascii()
        try:
            smtp = self.smtp = self.smtp or self.connect()
        except (OSError, smtplib.SMTPException) as error:
            return outcome(0, f"no connection to {self.host}:{self.port}: {error}", "4.4.1")
        options = " BODY=8BITMIME" if not message.isascii() and smtp.has_extn("8bitmime") else ""
        if declared or not (sender + address + fields).isascii():
            if not smtp.has_extn("smtputf8"):
                return outcome(550, "SMTPUTF8 is needed, and the next host does not offer it", "5.6.7")
            options += " SMTPUTF8"
        smtp.command_encoding = "utf-8"  # RSET sets it back
        try:
            code, text = smtp.docmd(f"MAIL FROM:<{sender}>{options}")
            if code // 100 == 2:
                code, text = smtp.docmd(f"RCPT TO:<{address}>")
            if code // 100 == 2:
                code, text = smtp.data(message)
            elif code != 421:
                smtp.rset()
        except smtplib.SMTPDataError as error:  # DATA itself was refused
            code, text = error.smtp_code, error.smtp_error
            self.close()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return outcome(0, f"the connection broke: {error}", "4.4.2")
        if code == 421:
            self.close()
        return outcome(0, text, "4.7.0") if code in (530, 535, 538) else outcome(code, text)  # it wants a login: our fault

    def connect(self):
        smtp = smtplib.SMTP(self.host, self.port, local_hostname=socket.gethostname(), timeout=300)
        smtp.ehlo_or_helo_if_needed()
        return smtp

    def close(self):
        smtp, self.smtp = self.smtp, None
        try:
            smtp and smtp.quit()
        except (OSError, smtplib.SMTPException):
            pass
