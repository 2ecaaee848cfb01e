"""The authenticators of a node, in the order in which evidence is offered to them."""

from __future__ import annotations

from collections.abc import Iterable

from hornet.app.services import Services
from hornet.broker.user_sessions import UserSessionStore
from hornet.core.addresses import parse_networks
from hornet.flows.auth.admission import Admission
from hornet.flows.auth.authenticator import Authenticator
from hornet.flows.auth.backend import BackendAuthenticator
from hornet.flows.auth.headers import HeaderAuthenticator
from hornet.flows.auth.plugins import load_authenticators
from hornet.flows.auth.tokens import TokenAuthenticator
from hornet.flows.auth.user_sessions import UserSessionAuthenticator, UserSessionTextAuthenticator
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.recovery.records import SessionRecords
from hornet.flows.users.service import Users


def build_admission(
    services: Services,
    *,
    own_authenticators: Iterable[Authenticator],
    tokens: TokenAuthenticator,
    subscriptions: Subscriptions,
    users: Users,
    records: SessionRecords,
) -> Admission:
    """Build the flow that lets sessions in.

    The application's own authenticators come first. Then come those that the configuration names, and those
    that cost nothing while no client uses them. One-time tokens come last: they take all remaining evidence.

    Raises:
        SetupError: an authenticator that the configuration names can't be made.
    """
    config = services.config
    headers = HeaderAuthenticator(config.authentication, parse_networks(config.engine.trusted_proxies))
    authenticators = [*own_authenticators, *load_authenticators(config.authentication.authenticators)]
    if config.backend.backend_uri:
        authenticators.append(BackendAuthenticator(config.backend))
    user_sessions = UserSessionStore(services.client)
    authenticators += [
        UserSessionAuthenticator(user_sessions),
        UserSessionTextAuthenticator(user_sessions),
        headers,
    ]
    return Admission(
        settings=config.sessions,
        engine=services.engine,
        authenticators=authenticators,
        tokens=tokens,
        attributes_of=headers.attributes_of,
        sessions=services.sessions,
        subscriptions=subscriptions,
        users=users,
        signals=services.signals,
        metrics=services.metrics,
        session_log=services.session_log,
        records=records,
    )
