"""A node on which whoever enters a channel becomes a member of it, under the name in its ``auth``."""

import asyncio
import sys

from aiohttp import web

from hornet.app import NODE, create_app
from hornet.config import load_config
from hornet.core.presence import Member
from hornet.flows.sessions import Session


def main(redis_url: str, port: int) -> None:
    app = create_app(load_config({"redis": redis_url, "demo": False}, {}))
    node, joining = app[NODE], set[asyncio.Task[list[Member]]]()

    def on_joined(session: Session, channel: str) -> None:
        auth = session.handshake.auth
        assert isinstance(auth, dict)
        task = asyncio.create_task(node.presence.join(session, channel, Member(auth["member"])))
        joining.add(task)
        task.add_done_callback(joining.discard)

    node.signals.joined.connect(on_joined)
    web.run_app(app, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
