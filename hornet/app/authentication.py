"""How clients get in: the ways to prove something, what a proof gives, and the user behind a session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hornet.app.services import Services
from hornet.broker.user_sessions import UserSessionStore
from hornet.broker.users import UserStore
from hornet.config import Config
from hornet.core.addresses import parse_networks
from hornet.flows.auth import Authenticator
from hornet.flows.auth.admission import Admission
from hornet.flows.auth.backend import BackendAuthenticator
from hornet.flows.auth.headers import HeaderAuthenticator
from hornet.flows.auth.plugins import load_authenticators
from hornet.flows.auth.tokens import TokenAuthenticator
from hornet.flows.auth.user_sessions import UserSessionAuthenticator
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.sessions.hooks import SessionHooks
from hornet.flows.sessions.router import Router
from hornet.flows.sessions.session_events import SessionEvents
from hornet.flows.users.channels import UserChannels
from hornet.flows.users.reconciler import Reconciler
from hornet.flows.users.service import Users


@dataclass(frozen=True)
class Entry:
    """``ways`` are asked in their order. ``router`` takes the events of clients."""

    ways: list[Authenticator]
    subscriptions: Subscriptions
    user_store: UserStore
    user_channels: UserChannels
    users: Users
    census: Reconciler
    admission: Admission
    router: Router
    hooks: SessionHooks

    def follow(self, config: Config) -> None:
        """Follow ``config`` from now on."""
        self.hooks.configure(config.limits)
        self.subscriptions.limits = config.limits
        self.admission.max_attempts = config.sessions.max_attempts
        self.user_store.max_sessions = config.users.user_sessions


def open_entry(ground: Services, own_ways: Iterable[Authenticator]) -> Entry:
    """Let clients in by ``own_ways`` and those of the configuration, once the engine is started."""
    config, sessions, signals, engine = ground.config, ground.sessions, ground.signals, ground.engine
    subscriptions = Subscriptions(engine, ground.listener, signals, config.limits)
    store = UserStore(
        ground.client,
        ground.nodes.id,
        grace_s=config.users.user_grace_s,
        max_sessions=config.users.user_sessions,
    )
    user_channels = UserChannels(store=store, sessions=sessions, subscriptions=subscriptions)
    users = Users(
        engine=engine,
        sessions=sessions,
        store=store,
        channels=user_channels,
        listener=ground.listener,
        signals=signals,
    )
    census = Reconciler(users=users, sessions=sessions, store=store, channels=user_channels, signals=signals)
    _look_after_users(ground, census)

    headers = HeaderAuthenticator(config.authentication, parse_networks(config.engine.trusted_proxies))
    ways = [*own_ways, *_configured_ways(config, UserSessionStore(ground.client)), headers]
    admission = Admission(
        config.sessions,
        engine,
        ways,
        TokenAuthenticator(ground.tokens, sessions, ground.events, signals),
        headers.attributes_of,
        sessions,
        subscriptions,
        users,
        signals,
        ground.metrics,
    )
    if config.users.session_events:
        SessionEvents(ground.events, signals, ground.nodes.id)
    router = Router(ground.metrics)
    admission.listen(router)

    hooks = SessionHooks(
        engine=engine,
        sessions=sessions,
        admission=admission,
        router=router,
        subscriptions=subscriptions,
        users=users,
        signals=signals,
        metrics=ground.metrics,
        limits=config.limits,
    )
    return Entry(ways, subscriptions, store, user_channels, users, census, admission, router, hooks)


def _configured_ways(config: Config, user_sessions: UserSessionStore) -> list[Authenticator]:
    """Those that the configuration asks for, and those that cost nothing while nobody uses them."""
    found = load_authenticators(config.authentication.authenticators)
    if config.backend.backend_uri:
        found.append(BackendAuthenticator(config.backend))
    return [*found, UserSessionAuthenticator(user_sessions)]


def _look_after_users(ground: Services, census: Reconciler) -> None:
    """Have the census know of nodes that died, and of what this node could not hear."""

    async def resume() -> None:
        census.resume()

    ground.nodes.on_dead(census.bury)
    ground.nodes.on_lost(resume)
    ground.listener.on_restored(census.resume)
