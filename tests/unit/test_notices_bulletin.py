"""Each thing is told once, several together, again after a while; and nothing twice because of a broker."""

from agent.dashboard.notices.bulletin import FIRST_RETRY_S, SETTLED_S, Bulletin, bulletin
from agent.dashboard.notices.waiting import Item
from agent.roles import Role

HOUR = 3600.0


def item(name: str, *, returns: bool = False) -> Item:
    page = f"/proposals/{name}"
    return Item(
        "proposal", name, f"proposal:{name}:1", f"{name}?", "", page, frozenset({Role.APPROVER}), returns=returns
    )


def told(reader: Bulletin, items: list[Item], now_s: float) -> list[str]:
    """Names of what a reader is told, who takes everything."""
    notice = reader.due("hall-3", items, now_s)
    if notice is None:
        return []
    reader.told(notice, now_s)
    return [one.id for one in notice.items]


def test_what_comes_together_is_told_together_and_once() -> None:
    reader = bulletin(60.0, 12.0)
    one, two = item("one"), item("two")

    assert told(reader, [one], 0.0) == []
    assert told(reader, [one, two], 59.0) == []
    assert told(reader, [one, two], 60.0) == ["one", "two"]
    assert told(reader, [one, two], 600.0) == []


def test_what_was_decided_meanwhile_is_not_told() -> None:
    reader = bulletin(60.0, 12.0)

    assert told(reader, [item("quick")], 0.0) == []
    assert told(reader, [], 60.0) == []


def test_what_still_waits_is_told_again_after_a_while() -> None:
    reader = bulletin(0.0, 12.0)
    one = item("one")

    assert told(reader, [one], 0.0) == ["one"]
    assert told(reader, [one], 12 * HOUR - 1) == []
    notice = reader.due("hall-3", [one], 12 * HOUR)
    assert notice is not None
    assert (notice.new, [again.id for again in notice.again]) == ((), ["one"])


def test_nothing_is_told_again_where_the_settings_say_never() -> None:
    reader = bulletin(0.0, 0.0)

    assert told(reader, [item("one")], 0.0) == ["one"]
    assert told(reader, [item("one")], 1000 * HOUR) == []


def test_a_broker_that_comes_and_goes_repeats_nothing() -> None:
    reader = bulletin(0.0, 12.0)
    paused = item("campaign", returns=True)
    names = [told(reader, [item("one"), paused] if second % 20 else [], float(second)) for second in range(600)]

    assert [name for name in names if name] == [["one", "campaign"]]


def test_a_thing_that_was_over_for_long_and_returns_is_news_where_it_can_return() -> None:
    reader = bulletin(0.0, 12.0)
    once, often = item("proposal"), item("campaign", returns=True)
    assert told(reader, [once, often], 0.0) == ["proposal", "campaign"]
    assert told(reader, [], 10.0) == []
    assert told(reader, [], 10.0 + SETTLED_S) == []

    assert told(reader, [once, often], 20.0 + SETTLED_S) == ["campaign"]


def test_a_failure_is_tried_again_ever_less_often_with_what_waits_then() -> None:
    reader = bulletin(0.0, 12.0)
    notice = reader.due("hall-3", [item("one")], 0.0)
    assert notice is not None

    assert reader.failed(0.0) == FIRST_RETRY_S
    assert told(reader, [item("two")], FIRST_RETRY_S - 1) == []
    assert reader.due("hall-3", [item("two")], FIRST_RETRY_S) is not None
    waits = [reader.failed(100.0) for _ in range(40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2 * FIRST_RETRY_S, 1800.0)
    assert told(reader, [item("two"), item("three")], 100.0 + 1800.0) == ["two", "three"]
