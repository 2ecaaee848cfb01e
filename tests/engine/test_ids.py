"""Ids: distinct, of one length, safe wherever they are written."""

from __future__ import annotations

import re
from itertools import islice

from hornet.engine.transport.ids import ID_CHARS, IDS_PER_BLOCK, generate_ids


def test_ids_are_distinct_and_url_safe_across_blocks() -> None:
    ids = list(islice(generate_ids(), 3 * IDS_PER_BLOCK + 1))
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(rf"[\w-]{{{ID_CHARS}}}", one, re.ASCII) for one in ids)


def test_two_generators_have_nothing_in_common() -> None:
    assert not set(islice(generate_ids(), IDS_PER_BLOCK)) & set(islice(generate_ids(), IDS_PER_BLOCK))
