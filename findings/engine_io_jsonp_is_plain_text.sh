#!/usr/bin/env bash
# engine.io: a JSONP poll is a script, but is served as plain text.
#
# Versions: engine.io 6.6.13, Node 20. The same in a server of socket.io 4.8.4, which uses it.
#
# With allowEIO3, a client of version 3 may poll with `j=<number>`: it loads each poll by a <script> element, and the
# answer is a call of a function. The Content-Type of this answer is text/plain. Browsers run it all the same, unless
# the response also has `X-Content-Type-Options: nosniff`, which proxies and header middlewares add to every response.
# With it browsers block scripts that are no JavaScript by their type (Fetch standard, "should response to request be
# blocked due to nosniff"), so the old clients of such a site can't connect by JSONP.
#
# Output seen:
#   ___eio[0]( ... );
#   content-type: text/plain; charset=UTF-8
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund engine.io@6.6.13

cat > jsonp.mjs <<'JS'
import { createServer } from "node:http";
import { Server } from "engine.io";

const http = createServer();
new Server({ allowEIO3: true }).attach(http);
http.listen(0, "127.0.0.1", async () => {
  const { port } = http.address();
  const answer = await fetch(`http://127.0.0.1:${port}/engine.io/?EIO=3&transport=polling&j=0`);
  console.log((await answer.text()).replace(/\(.*\)/s, "( ... )"));
  console.log(`content-type: ${answer.headers.get("content-type")}`);
  process.exit(0);
});
JS
node jsonp.mjs > seen

diff seen - <<'SEEN'
___eio[0]( ... );
content-type: text/plain; charset=UTF-8
SEEN
echo "as described"
