"""A certificate authority of a test's own."""

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


class Certificates:
    """A certificate for localhost and its authority, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.folder = folder
        self.cert = str(folder / "cert.pem")
        self.key = str(folder / "key.pem")
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(self.cert, append=number > 0)
        issued.private_key_pem.write_to_path(self.key)

    def client_context(self) -> ssl.SSLContext:
        """What a client connects with that trusts the authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    @property
    def encrypted_key(self) -> str:
        key = load_pem_private_key(Path(self.key).read_bytes(), None)
        encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        return self.write("encrypted.pem", encrypted)
