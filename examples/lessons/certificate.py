"""A certificate that is the same in every run, which real ones must never be."""

import datetime
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FIRST_DAY, LAST_DAY = datetime.datetime(2025, 1, 1), datetime.datetime(2125, 1, 1)


def server_and_client_contexts(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return TLS for a server of that name, and for a client that trusts it alone."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, FIRST_DAY, LAST_DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, None)
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem + secret)
        file.flush()
        serving.load_cert_chain(file.name)
    serving.num_tickets = 0  # tickets hold the real time
    return serving, ssl.create_default_context(cadata=pem.decode())
