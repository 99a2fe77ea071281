"""The circuit breaker stops a run when sending on would do harm or no good."""

import pytest

from assets.delivery.circuit_breaker import CircuitBreaker
from assets.providers.replies import Outcome, Phase, Reply, Verdict

DONE = Reply(phase=Phase.DONE, status=200)
REFUSED = Reply(phase=Phase.CONNECTING)
DOWN = Reply(phase=Phase.DONE, status=503)
BUSY = Reply(phase=Phase.DONE, status=429)
TORN = Reply(phase=Phase.READING, status=200)
ODD = Reply(phase=Phase.DONE, status=200, body=b'{"status": 5}')


def one(verdict: Verdict, reason: str | None = None) -> list[Outcome]:
    return [Outcome(verdict=verdict, reason=reason)]


def stop_reason_after(
    *replies: tuple[Reply, Verdict], safe: bool = True, is_retry: bool = False
) -> str | None:
    breaker = CircuitBreaker(resend_is_safe=safe)
    for reply, verdict in replies:
        breaker.record(reply, one(verdict), is_retry=is_retry)
    return breaker.reason


@pytest.mark.parametrize(("count", "stops"), [(4, False), (5, True)])
def test_five_refused_connections_in_a_row_stop(count: int, stops: bool) -> None:
    reason = stop_reason_after(*[(REFUSED, Verdict.RETRYABLE)] * count)
    assert (reason or "").startswith("unreachable") is stops


def test_a_connection_in_between_starts_the_count_anew() -> None:
    four = [(REFUSED, Verdict.RETRYABLE)] * 4
    good = [(DONE, Verdict.ACCEPTED)] * 12
    assert stop_reason_after(*good, *four, (DONE, Verdict.ACCEPTED), *four) is None


@pytest.mark.parametrize("verdict", [Verdict.RETRYABLE, Verdict.UNCERTAIN])
@pytest.mark.parametrize("reply", [TORN, ODD])
def test_three_unreadable_replies_in_a_row_stop(reply: Reply, verdict: Verdict) -> None:
    assert stop_reason_after(*[(reply, verdict)] * 2) is None
    assert (stop_reason_after(*[(reply, verdict)] * 3) or "").startswith("unreadable")


@pytest.mark.parametrize("reply", [TORN, ODD])
def test_an_unreadable_reply_is_no_failure_of_the_provider(reply: Reply) -> None:
    mixed = [*[(reply, Verdict.RETRYABLE)] * 2, (DONE, Verdict.ACCEPTED)] * 20
    assert stop_reason_after(*mixed) is None


@pytest.mark.parametrize("reply", [TORN, ODD])
def test_unreadable_replies_do_harm_where_a_repeat_does(reply: Reply) -> None:
    mixed = [*[(reply, Verdict.UNCERTAIN)] * 2, (DONE, Verdict.ACCEPTED)] * 5
    assert (stop_reason_after(*mixed, safe=False) or "").startswith("uncertain: 10")


def test_a_reply_about_some_conversions_is_readable() -> None:
    breaker = CircuitBreaker(resend_is_safe=True)
    for _ in range(9):
        breaker.record(DONE, one(Verdict.ACCEPTED) + one(Verdict.UNCERTAIN))
    assert breaker.reason is None


def test_half_of_the_last_twenty_failing_stops() -> None:
    good, bad = (DONE, Verdict.ACCEPTED), (DOWN, Verdict.RETRYABLE)
    assert stop_reason_after(*[good] * 11, *[bad] * 9) is None
    assert (stop_reason_after(*[good] * 11, *[bad] * 10) or "").startswith("failing")


def test_an_outage_is_noticed_after_ten_requests() -> None:
    assert stop_reason_after(*[(DOWN, Verdict.RETRYABLE)] * 9) is None
    assert stop_reason_after(*[(DOWN, Verdict.RETRYABLE)] * 10) is not None


def test_a_rate_limit_is_no_failure() -> None:
    assert stop_reason_after(*[(BUSY, Verdict.RETRYABLE)] * 50) is None


def test_repeats_that_fail_again_say_nothing_new() -> None:
    assert stop_reason_after(*[(DOWN, Verdict.RETRYABLE)] * 50, is_retry=True) is None


def test_a_mapping_bug_stops_after_twenty_five_refusals() -> None:
    refused = (DONE, Verdict.REJECTED)
    assert stop_reason_after(*[refused] * 24) is None
    assert (stop_reason_after(*[refused] * 25) or "").startswith("rejected: 25")


def test_a_mapping_bug_is_seen_inside_batches() -> None:
    breaker = CircuitBreaker(resend_is_safe=True)
    for _ in range(2):
        breaker.record(DONE, [Outcome(verdict=Verdict.REJECTED)] * 24)
    assert (breaker.reason or "").startswith("rejected")


def test_some_refusals_among_good_orders_are_no_bug() -> None:
    mixed = [(DONE, Verdict.REJECTED), (DONE, Verdict.ACCEPTED)] * 200
    assert stop_reason_after(*mixed) is None


def test_requests_without_a_reply_stop_only_where_a_repeat_does_harm() -> None:
    lost = Reply(phase=Phase.WAITING)
    mixed = [(lost, Verdict.UNCERTAIN), *[(DONE, Verdict.ACCEPTED)] * 3] * 10
    assert (stop_reason_after(*mixed, safe=False) or "").startswith("uncertain: 10")
    assert stop_reason_after(*mixed, safe=True) is None


def test_a_configuration_error_stops_at_once_and_is_named() -> None:
    breaker = CircuitBreaker(resend_is_safe=True)
    accepted, ours = one(Verdict.ACCEPTED), one(Verdict.CONFIGURATION, "http_401")
    breaker.record(DONE, accepted + ours)
    assert breaker.reason == "configuration: http_401"
