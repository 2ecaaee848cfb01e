#!/usr/bin/env bash
# engine.io: with allowEIO3, every version but 4 opens a session of version 3.
#
# Versions: engine.io 6.6.13, Node 20. The same in a server of socket.io 4.8.4, which uses it.
#
# The protocol names its version in the query (`EIO`), and error 5 is "Unsupported protocol version". With allowEIO3,
# the server compares the text with "4" and takes anything else for version 3: a version that does not exist yet, none
# at all, or a 4 with a zero before it. The client then gets an open packet in the framing of version 3 ("118:0{...}"),
# which a client of another version can't read, instead of the error that it could report.
#
# Output seen:
#   EIO=4: 0{
#   EIO=3: 118:0{
#   EIO=5: 118:0{
#   EIO=04: 118:0{
#   no EIO: 118:0{
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund engine.io@6.6.13

cat > versions.mjs <<'JS'
import { createServer } from "node:http";
import { Server } from "engine.io";

const http = createServer();
new Server({ allowEIO3: true }).attach(http);
http.listen(0, "127.0.0.1", async () => {
  const { port } = http.address();
  for (const version of ["EIO=4", "EIO=3", "EIO=5", "EIO=04", "no EIO"]) {
    const query = version === "no EIO" ? "" : `${version}&`;
    const answer = await fetch(`http://127.0.0.1:${port}/engine.io/?${query}transport=polling`);
    console.log(`${version}: ${(await answer.text()).split('"')[0]}`);
  }
  process.exit(0);
});
JS
node versions.mjs > seen

diff seen - <<'SEEN'
EIO=4: 0{
EIO=3: 118:0{
EIO=5: 118:0{
EIO=04: 118:0{
no EIO: 118:0{
SEEN
echo "as described"
