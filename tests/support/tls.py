"""Certificates that are right, and certificates that are wrong in one way each."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class Authority:
    """Certificates of an authority that the exporter is made to trust.

    Args:
        folder: Where the file of trusted authorities is written.
    """

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.bundle = folder / "trusted.pem"
        self._ca.cert_pem.write_to_path(self.bundle)

    def good(self) -> ssl.SSLContext:
        return _served(self._ca.issue_cert("127.0.0.1"))

    def wrong_host(self) -> ssl.SSLContext:
        return _served(self._ca.issue_cert("shop.example", "127.0.0.2"))

    def expired(self) -> ssl.SSLContext:
        now = datetime.now(UTC)
        return _served(
            self._ca.issue_cert(
                "127.0.0.1",
                not_before=now - timedelta(days=9),
                not_after=now - timedelta(days=1),
            )
        )

    def self_signed(self) -> ssl.SSLContext:
        return _served(trustme.CA().issue_cert("127.0.0.1"))


def _served(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
