"""The pages on recovery name every reason that clients can get."""

from hornet.flows.recovery.gaps import GapReason
from hornet.flows.recovery.restoration import MissReason
from tests.docs.markdown import ROOT, code_spans

DOCS = ROOT / "docs"


def test_the_howto_names_every_reason_of_a_gap() -> None:
    reasons = {str(reason) for reason in (*MissReason, *GapReason)}
    assert reasons <= set(code_spans(DOCS / "howto" / "recovery.md"))


def test_the_topic_names_every_reason_of_a_gap() -> None:
    reasons = {str(reason) for reason in (*MissReason, *GapReason)}
    assert reasons <= set(code_spans(DOCS / "topics" / "recovery.md"))
