#!/bin/sh
# A backend in shell. It publishes a message with redis-cli, and prints how many nodes received it.
#
#     examples/publish.sh clock '{"type": "tick", "time": "now"}'
set -eu

channel=$1
message=$2 # a JSON object with a "type"

redis-cli -u "${HORNET_REDIS:-redis://127.0.0.1:6379}" PUBLISH "hornet:channel:$channel" "$message"
