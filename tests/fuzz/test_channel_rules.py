"""Signatures, patterns, presence data and names of channels, from whoever makes them up."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from hornet.broker.presence import parse_notice
from hornet.core.channels import CONTROL_CHANNEL, Names, check_channel, kind_of
from hornet.core.errors import PeerError
from hornet.core.grants import is_user_id
from hornet.core.pattern_index import PatternIndex
from hornet.core.patterns import Pattern, parse_pattern, parse_publication, parse_topic
from hornet.core.presence import Member, Roster, parse_member
from hornet.core.signatures import is_signed, sign_hmac, sign_sha256
from tests.fuzz.test_parsers import JSON

TEXT = st.text(st.characters(codec=None) | st.sampled_from(':|*%?[]\\^-{}"'), max_size=12)
ANYTHING = JSON | TEXT
# Few letters, so that publications and subscriptions meet.
FEW = st.text("ab:|*%?[]\\^-", max_size=3)
PATTERNS = st.dictionaries(FEW.filter(bool), FEW | st.just("*"), min_size=1, max_size=3)


@given(TEXT, st.lists(TEXT.filter(bool), max_size=2), TEXT, TEXT, st.none() | TEXT)
def test_whatever_is_shown_as_a_signature_opens_nothing(
    signature: str, secrets: list[str], connection_id: str, channel: str, presence: str | None
) -> None:
    secrets = [one.encode("utf-8", "replace").decode() for one in secrets]
    assert not is_signed(signature, secrets, connection_id, channel, presence)


@given(TEXT, TEXT, st.none() | TEXT)
def test_a_signature_is_made_and_valid_or_refused(
    connection_id: str, channel: str, presence: str | None
) -> None:
    for sign in (sign_sha256, sign_hmac):
        try:
            signature = sign("secret", connection_id, channel, presence)
        except ValueError:
            continue
        assert is_signed(signature, ["secret"], connection_id, channel, presence)


@given(ANYTHING | st.dictionaries(TEXT, ANYTHING, max_size=4), st.none() | st.booleans() | JSON)
def test_a_pattern_is_parsed_or_refused(shown: object, subset: object) -> None:
    try:
        pattern = parse_pattern(shown, subset)
    except PeerError:
        return
    assert pattern.text.encode()
    assert all(glob.encode() for glob in (*pattern.globs, *pattern.broad_globs))


@given(PATTERNS, st.booleans(), PATTERNS, st.booleans())
def test_patterns_share_a_text_only_if_they_are_the_same(
    one: dict[str, str], one_subset: bool, other: dict[str, str], other_subset: bool
) -> None:
    first, second = parse_pattern(one, one_subset), parse_pattern(other, other_subset)
    assert (first.text == second.text) is ((one, one_subset) == (other, other_subset))


@given(PATTERNS, st.booleans(), PATTERNS)
def test_matching_keeps_to_its_rules_and_the_glob_hides_no_match(
    asked: dict[str, str], subset: bool, published: dict[str, str]
) -> None:
    published = {key: value if value != "*" else "" for key, value in published.items()}
    subscription, topic = parse_pattern(asked, subset), parse_publication(published)
    parsed = parse_topic(topic)
    assert parsed is not None, "every publication's topic can be read"
    wanted = (asked.keys() <= published.keys() if subset else asked.keys() == published.keys()) and all(
        value in ("*", published[key]) for key, value in asked.items()
    )
    assert subscription.matches(parsed) is wanted
    if subscription.is_exact:
        assert (subscription.text == topic) is wanted
    if wanted:
        for globs in (subscription.globs, subscription.broad_globs):
            assert [glob_matches(glob, topic) for glob in globs].count(True) == 1
    index = PatternIndex()
    index.add(subscription)
    assert index.match(parsed) == ([subscription.text] if wanted else [])


@given(TEXT | FEW)
def test_any_topic_is_read_or_none(topic: str) -> None:
    parsed = parse_topic(topic)
    if parsed is not None:
        assert Pattern(tuple(parsed.items())).text == topic


@given(JSON.map(json.dumps) | TEXT | st.binary(max_size=60), st.none() | TEXT)
def test_presence_data_is_a_member_or_refused(shown: str | bytes, user: str | None) -> None:
    try:
        member = parse_member(shown, user)
    except PeerError:
        return
    assert json.dumps(member.as_json(), ensure_ascii=False).encode()


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3", "4", ""]), st.booleans()),
        max_size=30,
    ),
    st.integers(min_value=0, max_value=4),
)
def test_a_follower_from_the_start_knows_who_is_listed(
    steps: list[tuple[str, str, bool]], max_listed: int
) -> None:
    roster = Roster(max_listed=lambda: max_listed)
    sessions, known = dict[str, str](), set[str]()
    for session, member_id, told in steps:
        if member_id:
            roster.put(session, Member(member_id))
            sessions[session] = member_id
        else:
            roster.remove(session)
            sessions.pop(session, None)
        if told:
            changes = roster.take_changes()
            added, gone = {one.id for one in changes.added}, {one.id for one in changes.gone}
            assert not added & known, "nobody is added twice"
            assert gone <= known, "nobody goes who was not there"
            known = (known | added) - gone
            present = set(sessions.values())
            assert known == {one.id for one in roster.listed.members}
            assert known <= present
            assert len(known) == min(max_listed, len(present))
            assert roster.count == len(present)
            assert [one.id for one in roster.page("", 9).members] == sorted(present)


@given(ANYTHING)
def test_a_channel_is_named_or_refused(shown: object) -> None:
    try:
        name = check_channel(shown)
    except PeerError:
        return
    assert name.encode()
    assert name != CONTROL_CHANNEL
    kind_of(name, Names(["public-*"]))


@given(TEXT, TEXT)
def test_a_name_pattern_takes_every_character_but_the_star_as_it_stands(pattern: str, name: str) -> None:
    wanted = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL)
    assert (name in Names([pattern])) is (wanted is not None)
    assert pattern in Names([pattern])


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_name_pattern_with_many_stars_takes_what_a_regular_expression_takes(
    pattern: str, name: str
) -> None:
    wanted = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL)
    assert (name in Names([pattern])) is (wanted is not None)


def glob_matches(glob: str, topic: str) -> bool:
    """What Redis's PSUBSCRIBE does with a glob that has only ``*`` and escaped characters."""
    parts = re.findall(r"\\.|\*|[^*\\]", glob, re.DOTALL)
    assert "".join(parts) == glob
    wanted = "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)
    return re.fullmatch(wanted, topic, re.DOTALL) is not None


@given(
    JSON.map(json.dumps).map(str.encode)
    | st.binary(max_size=60)
    | st.lists(JSON, min_size=4, max_size=4).map(json.dumps).map(str.encode)
)
def test_a_notice_is_read_or_refused(payload: bytes) -> None:
    try:
        notice = parse_notice(payload)
    except ValueError:
        return
    assert all(is_user_id(member.id) for member in notice.put.values())
