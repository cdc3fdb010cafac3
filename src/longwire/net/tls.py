"""TLS of a server: certificates by server name, ALPN, and reload without a restart.

The context is fixed when a server begins to listen, so a new certificate needs another way
in: the context that listens has no say itself, its server-name callback puts the current one in
its place at each handshake (RFC 6066 section 3 is where the name comes from). Connections that are
open keep what they have.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from longwire.base.errors import ConfigError

__all__ = ["Certificate", "ServerTls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Where a certificate chain and its key are, in PEM. ``names``: the server names it is for.

    Without names it is the default, for clients that name none of the others.
    """

    cert_path: str | os.PathLike[str]
    key_path: str | os.PathLike[str] | None = None
    password: str | None = None
    names: Sequence[str] = ()


class ServerTls:
    """The TLS side of a listener. ``context`` is what to listen with; ``reload`` reads the files.

    ``keylog_path``: a file that TLS secrets are appended to, for Wireshark.

    Raises :exc:`ConfigError` when a certificate cannot be read; after a failed ``reload`` the old
    certificates go on.
    """

    def __init__(
        self,
        certificates: Sequence[Certificate],
        *,
        alpn: Sequence[str] = ("http/1.1",),
        client_ca_path: str | os.PathLike[str] | None = None,
        keylog_path: str | os.PathLike[str] | None = None,
    ) -> None:
        self._certificates = list(certificates)
        self._alpn = list(alpn)
        self._client_ca_path = client_ca_path
        self._keylog_path = keylog_path
        self._default: ssl.SSLContext
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.reload()
        self.context = self._make_context(self._default_certificate())
        self.context.sni_callback = self._choose

    def reload(self) -> None:
        """Read certificates and keys again; handshakes from now on use them."""
        default = self._make_context(self._default_certificate())
        by_name: dict[str, ssl.SSLContext] = {}
        for certificate in self._certificates:
            if certificate.names:
                context = self._make_context(certificate)
                by_name.update((name.lower(), context) for name in certificate.names)
        self._default, self._by_name = default, by_name

    def _default_certificate(self) -> Certificate:
        if not self._certificates:
            raise ConfigError("tls", "there is no certificate", hint="give cert_path and key_path")
        for certificate in self._certificates:
            if not certificate.names:
                return certificate
        return self._certificates[0]

    def _make_context(self, certificate: Certificate) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # RFC 9325 section 3.1.1: not below TLS 1.2.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Keys made anew again and again are work for the server only; TLS 1.3 has no such thing.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        try:
            context.load_cert_chain(
                certificate.cert_path, certificate.key_path, certificate.password or _no_password
            )
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConfigError(
                str(certificate.cert_path),
                f"the certificate or its key cannot be loaded: {error}",
                hint="PEM files that belong together; the chain begins with the server's own",
            ) from error
        if self._keylog_path is not None:
            try:
                context.keylog_filename = os.fspath(self._keylog_path)
            except OSError as error:
                raise ConfigError(
                    str(self._keylog_path), f"TLS secrets cannot be written there: {error}"
                ) from error
        if self._client_ca_path is not None:
            try:
                context.load_verify_locations(self._client_ca_path)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(
                    str(self._client_ca_path), f"the CA cannot be loaded: {error}"
                ) from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> None:
        """Put the current context for ``name`` in place; wildcards cover one label."""
        chosen: ssl.SSLContext | None = None
        if name is not None:
            lowered = name.lower().rstrip(".")
            chosen = self._by_name.get(lowered)
            if chosen is None:
                parent = lowered.partition(".")[2]
                chosen = self._by_name.get(f"*.{parent}")
        connection.context = chosen or self._default


def _no_password() -> str:
    """Refuse to ask at the terminal, as OpenSSL would."""
    raise ValueError("the key is encrypted and no password is set")
