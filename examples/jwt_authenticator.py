"""A Hornet that lets clients in with JSON Web Tokens, which your application makes and Hornet checks.

Needs PyJWT (``pip install pyjwt``). Start it with the key that your application signs with:

    JWT_KEY=a-secret-of-32-characters-or-more .venv/bin/python examples/jwt_authenticator.py

A page then connects with such a token:

    const socket = io("http://localhost:8187", { auth: { jwt: "eyJhbGciOi..." } });

Of the token's claims, ``sub`` is the user, ``channels`` a list of channels, and ``name`` the name that other
clients may see. ``sub`` and ``exp`` are required.
"""

import os

import jwt
from aiohttp import web

from hornet import create_app
from hornet.config import load_config
from hornet.plugins import Authenticator, Evidence, Grant, RefusedCredentials

ALGORITHM = "HS256"


class JwtAuthenticator(Authenticator):
    """Checks ``{"jwt": "..."}``, in ``auth`` or as event ``message``."""

    def __init__(self, key: str) -> None:
        self._key = key

    def offer(self, evidence: Evidence) -> object | None:
        return evidence.fields.get("jwt")

    async def check(self, claim: str) -> Grant:
        required = {"require": ["exp", "sub"]}
        try:
            claims = jwt.decode(claim, self._key, algorithms=[ALGORITHM], options=required)
        except jwt.ExpiredSignatureError:
            raise RefusedCredentials("EXPIRED_JWT", "The token has expired") from None
        except jwt.InvalidTokenError:
            raise RefusedCredentials("INVALID_JWT", "The token is not valid") from None
        return Grant(
            user=claims["sub"],
            info={"name": claims.get("name")},
            channels=tuple(claims.get("channels", ())),
        )


def from_environment() -> JwtAuthenticator:
    """Return the authenticator. In an installed package, an entry point names this function."""
    key = os.environ.get("JWT_KEY")
    if not key:
        raise ValueError("Set JWT_KEY to the secret with which your backend signs")
    return JwtAuthenticator(key)


if __name__ == "__main__":
    redis = os.environ.get("HORNET_REDIS", "")
    config = load_config({"redis": redis, "demo": False}, environment={})
    try:
        app = create_app(config, authenticators=[from_environment()])
    except ValueError as error:
        raise SystemExit(str(error)) from None
    port = int(os.environ.get("PORT", "8187"))
    try:
        web.run_app(app, port=port)
    except OSError as error:  # another program has the port, most often another Hornet
        raise SystemExit(
            f"Can't listen on port {port}: {error.strerror}. Choose another with PORT."
        ) from None
