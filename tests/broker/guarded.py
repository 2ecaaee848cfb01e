"""A parent process that finds or starts an embedded Valkey, says so, and waits to be stopped.

Run as ``python -m tests.broker.guarded PORT``. Prints a line of JSON; stops Valkey on SIGTERM and SIGINT.
"""

import asyncio
import json
import signal
import sys

from hornet.broker.embedded import find_or_start


async def main(port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    url, valkey = await find_or_start(port)
    told = {"url": str(url), "folder": valkey and valkey._folder, "guard": valkey and valkey._guard.pid}
    print(json.dumps(told), flush=True)
    await stop.wait()
    if valkey is not None:
        await valkey.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
