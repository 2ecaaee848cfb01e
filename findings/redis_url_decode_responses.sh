#!/usr/bin/env bash
# redis-py: ?decode_responses=False in a URL turns decoding on.
#
# Versions: redis 8.1.0, Python 3.11.
#
# from_url() converts some query parameters to the type of their option (socket_timeout becomes a float,
# retry_on_timeout a bool). decode_responses is not among them, so the client gets the text that stands in the
# URL. Any text but the empty one is true: "False", "no" and "0" all make the client decode its answers.
# A program that reads binary values by such a URL gets UnicodeDecodeError. To have bytes, leave the parameter out.
#
# Output seen:
#   retry_on_timeout=False -> False (bool)
#   decode_responses=False -> 'False' (str), which is true
#   answers are decoded: True
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet redis==8.1.0

"$work/venv/bin/python" - > "$work/seen" <<'PYTHON'
import redis

url = "redis://127.0.0.1:6379/0?retry_on_timeout=False&decode_responses=False"
options = redis.Redis.from_url(url).connection_pool.connection_kwargs
retry, decode = options["retry_on_timeout"], options["decode_responses"]
print(f"retry_on_timeout=False -> {retry!r} ({type(retry).__name__})")
print(f"decode_responses=False -> {decode!r} ({type(decode).__name__}), which is {str(bool(decode)).lower()}")
encoder = redis.Redis.from_url(url).connection_pool.get_encoder()
print(f"answers are decoded: {isinstance(encoder.decode(b'x'), str)}")
PYTHON

diff "$work/seen" - <<'SEEN'
retry_on_timeout=False -> False (bool)
decode_responses=False -> 'False' (str), which is true
answers are decoded: True
SEEN
echo "as described"
