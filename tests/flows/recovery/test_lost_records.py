"""The records of living sessions in a Redis that has lost its data."""

from redis.asyncio import Redis

from hornet.broker.keys import session_record_key
from hornet.core.session_records import digest_pid
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.flows.conftest import StartNode
from tests.flows.recovery.publishing import recording


async def test_records_are_written_again_when_redis_has_begun_another_history(
    start_node: StartNode, own_redis: RedisServer, prefix: str
) -> None:
    async with recording(own_redis.url):
        node = await start_node(redis=own_redis.url)
        channel = f"{prefix}news"
        token = await node.create_token(channel)
        client = await node.connect(auth={"recover": True, "token": token, "channels": [channel]})
        assert "connected" in await client.packet()
    digest = digest_pid(client.connected["pid"])
    assert digest is not None
    redis = Redis.from_url(own_redis.url)
    await redis.flushall()
    async with recording(own_redis.url):  # begins another history

        async def count() -> int:
            return int(await redis.exists(session_record_key(digest)))

        await eventually(count, 1)
    await redis.aclose()
    await client.leave()
