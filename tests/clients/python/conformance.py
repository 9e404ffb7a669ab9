"""EventStoreDB's Python client against the server at the URL given as argument."""

import json
import sys
import time
from uuid import uuid4

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    StreamIsDeletedError,
    WrongCurrentVersionError,
)

ANY, NO_STREAM, EXISTS = StreamState.ANY, StreamState.NO_STREAM, StreamState.EXISTS
WAIT_SECONDS_MAX = 30
# A read that gets nothing fails instead of waiting for ever.
CALL_SECONDS_MAX = 60


def unique(name):
    return f"{name}-{uuid4().hex}"


def happened(number=0, kind="happened"):
    return NewEvent(type=kind, data=json.dumps({"number": number}).encode(), metadata=b'{"by":"python"}')


def positions(events):
    return [event.stream_position for event in events]


def ids(events):
    return [event.id for event in events]


def raises(error, call):
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"no {error.__name__}")


def until(what, look):
    started = time.monotonic()
    while not look():
        assert time.monotonic() - started < WAIT_SECONDS_MAX, what
        time.sleep(0.01)


def appends_and_reads(client):
    stream = unique("python")
    one, several = happened(0), [happened(1), happened(2), happened(3)]
    first = client.append_to_stream(stream, current_version=NO_STREAM, events=one)
    last = client.append_to_stream(stream, current_version=0, events=several)
    assert last > first > 0

    forward = client.get_stream(stream)
    assert ids(forward) == ids([one, *several])
    assert positions(forward) == [0, 1, 2, 3]
    assert (forward[0].type, forward[0].data, forward[0].metadata) == (one.type, one.data, one.metadata)
    assert (forward[0].content_type, forward[0].stream_name) == ("application/json", stream)
    assert (forward[0].commit_position, forward[3].commit_position) == (first, last)
    assert forward[0].recorded_at is not None
    assert positions(client.get_stream(stream, backwards=True)) == [3, 2, 1, 0]
    assert positions(client.get_stream(stream, stream_position=1, limit=2)) == [1, 2]
    assert positions(client.get_stream(stream, stream_position=2, backwards=True, limit=2)) == [2, 1]
    assert client.get_current_version(stream) == 3
    assert client.get_current_version(unique("never")) is NO_STREAM
    raises(NotFoundError, lambda: client.get_stream(unique("never")))


def knows_repeats(client):
    stream, events = unique("python"), [happened(0), happened(1)]
    written = client.append_to_stream(stream, current_version=NO_STREAM, events=events)
    assert client.append_to_stream(stream, current_version=NO_STREAM, events=events) == written
    assert client.append_to_stream(stream, current_version=ANY, events=events) == written
    assert positions(client.get_stream(stream)) == [0, 1]


def meets_another_version(client):
    stream = unique("python")
    client.append_to_stream(stream, current_version=NO_STREAM, events=[happened(), happened()])
    for events in (happened(), [happened(), happened()]):
        for expected in (NO_STREAM, 0, 7):
            error = raises(
                WrongCurrentVersionError,
                lambda: client.append_to_stream(stream, current_version=expected, events=events),
            )
            assert error.actual_version == 1, error
            assert error.expected_version == expected, error
        never = unique("never")
        for expected in (EXISTS, 5):
            error = raises(
                WrongCurrentVersionError,
                lambda: client.append_to_stream(never, current_version=expected, events=events),
            )
            assert error.actual_version is NO_STREAM, error
    assert positions(client.get_stream(stream)) == [0, 1]


def reads_the_log(client):
    family = unique("family")
    before = client.get_commit_position()
    for name in ("one", "two", "other"):
        events = [happened(0, f"made-{family}"), happened(1, f"moved-{family}")]
        client.append_to_stream(f"{family}-{name}", current_version=NO_STREAM, events=events)

    def read(**filters):
        events = client.read_all(commit_position=before, **filters)
        return [(event.stream_name.rsplit("-", 1)[1], event.stream_position) for event in events]

    both = [("one", 0), ("one", 1), ("two", 0), ("two", 1)]
    assert read(filter_include=[f"{family}-one", f"{family}-two"], filter_by_stream_name=True) == both
    prefix = {"filter_include": [f"{family}-o"], "filter_by_stream_name": True, "filter_by_prefix": True}
    assert read(**prefix) == [("one", 0), ("one", 1), ("other", 0), ("other", 1)]
    assert read(filter_include=[f"made-{family}"]) == [("one", 0), ("two", 0), ("other", 0)]
    exclude = [r"\$.+", f"moved-{family}"]
    seen = list(client.read_all(commit_position=before, filter_exclude=exclude))
    assert len([event for event in seen if event.type == f"made-{family}"]) == 3
    assert not [event for event in seen if event.type.startswith("$") or event.type == f"moved-{family}"]
    backward = client.read_all(backwards=True, filter_include=[f"{family}-.*"], filter_by_stream_name=True, limit=2)
    assert [event.stream_name for event in backward] == [f"{family}-other"] * 2


def subscribes_to_a_stream(client):
    stream = unique("python")
    client.append_to_stream(stream, current_version=NO_STREAM, events=[happened(), happened()])
    with client.subscribe_to_stream(stream, include_caught_up=True, timeout=CALL_SECONDS_MAX) as subscription:
        assert [next(subscription).stream_position for _ in range(2)] == [0, 1]
        assert next(subscription).is_caught_up
        client.append_to_stream(stream, current_version=1, events=happened())
        assert next(subscription).stream_position == 2
    with client.subscribe_to_stream(stream, stream_position=1, timeout=CALL_SECONDS_MAX) as subscription:
        assert next(subscription).stream_position == 2
    live = client.subscribe_to_stream(stream, from_end=True, include_caught_up=True, timeout=CALL_SECONDS_MAX)
    with live as subscription:
        assert next(subscription).is_caught_up
        client.append_to_stream(stream, current_version=2, events=happened())
        assert next(subscription).stream_position == 3


def subscribes_to_the_log(client):
    family = unique("family")
    before = client.get_commit_position()
    client.append_to_stream(unique("other"), current_version=NO_STREAM, events=[happened() for _ in range(30)])
    client.append_to_stream(f"{family}-one", current_version=NO_STREAM, events=happened())
    with client.subscribe_to_all(
        commit_position=before,
        filter_include=[f"{family}-"],
        filter_by_stream_name=True,
        filter_by_prefix=True,
        include_checkpoints=True,
        window_size=10,
        checkpoint_interval_multiplier=1,
        include_caught_up=True,
        timeout=CALL_SECONDS_MAX,
    ) as subscription:
        streams, checkpoints = [], []
        for event in subscription:
            if event.is_caught_up:
                break
            (checkpoints if event.is_checkpoint else streams).append(event)
        assert [event.stream_name for event in streams] == [f"{family}-one"]
        looked = [checkpoint.commit_position for checkpoint in checkpoints]
        assert len(looked) >= 3 and looked == sorted(set(looked)), looked
        client.append_to_stream(f"{family}-two", current_version=NO_STREAM, events=happened())
        names = (event.stream_name for event in subscription if event.stream_name)
        assert next(names) == f"{family}-two"


def deletes(client):
    stream = unique("python")
    client.append_to_stream(stream, current_version=NO_STREAM, events=[happened(), happened()])
    error = raises(WrongCurrentVersionError, lambda: client.delete_stream(stream, current_version=0))
    assert error.actual_version == 1, error
    client.delete_stream(stream, current_version=1)
    raises(NotFoundError, lambda: client.get_stream(stream))
    raises(StreamIsDeletedError, lambda: client.delete_stream(stream, current_version=EXISTS))
    client.append_to_stream(stream, current_version=NO_STREAM, events=happened())
    assert positions(client.get_stream(stream)) == [2]
    raises(NotFoundError, lambda: client.delete_stream(unique("never"), current_version=EXISTS))


def tombstones(client):
    stream = unique("python")
    client.append_to_stream(stream, current_version=NO_STREAM, events=happened())
    raises(WrongCurrentVersionError, lambda: client.tombstone_stream(stream, current_version=5))
    client.tombstone_stream(stream, current_version=0)
    raises(StreamIsDeletedError, lambda: client.get_stream(stream))
    raises(StreamIsDeletedError, lambda: client.get_stream_metadata(stream))
    raises(StreamIsDeletedError, lambda: client.tombstone_stream(stream, current_version=ANY))
    append = lambda events: client.append_to_stream(stream, current_version=ANY, events=events)
    raises(StreamIsDeletedError, lambda: append([happened()]))
    # For a single event the client has no better exception.
    assert "is deleted" in str(raises(FailedPreconditionError, lambda: append(happened())))


def describes_streams(client):
    stream = unique("python")
    assert client.get_stream_metadata(stream) == ({}, NO_STREAM)
    client.append_to_stream(stream, current_version=NO_STREAM, events=[happened() for _ in range(4)])
    client.set_stream_metadata(stream, metadata={"$maxCount": 2, "ours": ["a"]}, current_version=NO_STREAM)
    assert client.get_stream_metadata(stream) == ({"$maxCount": 2, "ours": ["a"]}, 0)
    assert positions(client.get_stream(stream)) == [2, 3]
    client.set_stream_metadata(stream, metadata={"$tb": 1}, current_version=0)
    assert positions(client.get_stream(stream)) == [1, 2, 3]
    raises(
        WrongCurrentVersionError,
        lambda: client.set_stream_metadata(stream, metadata={}, current_version=0),
    )


def consumes_as_a_group(client):
    stream, group = unique("python"), "group"
    client.append_to_stream(stream, current_version=NO_STREAM, events=[happened(number) for number in range(4)])
    create = lambda: client.create_subscription_to_stream(group, stream)
    create()
    raises(AlreadyExistsError, create)
    info = lambda: client.get_subscription_info(group, stream)
    assert (info().event_source, info().group_name) == (stream, group)
    assert (stream, group) in [(found.event_source, found.group_name) for found in client.list_subscriptions()]
    assert len(client.list_subscriptions_to_stream(stream)) == 1

    with client.read_subscription_to_stream(group, stream, max_ack_delay=0.01, timeout=CALL_SECONDS_MAX) as consumer:
        def next_at(position, retries=0):
            event = next(consumer)
            assert (event.stream_position, event.retry_count) == (position, retries), event
            return event

        consumer.ack(next_at(0))
        consumer.nack(next_at(1), action="skip")
        consumer.nack(next_at(2), action="park")
        retried = next_at(3)
        consumer.nack(retried, action="retry")
        consumer.ack(next_at(3, retries=1))
        until("an event is parked", lambda: info().parked_message_count == 1)
        client.replay_parked_events(group, stream)
        replayed = next(consumer)
        assert replayed.stream_position == 2, replayed
        consumer.ack(replayed)
        until("no event is parked", lambda: info().parked_message_count == 0)
        client.append_to_stream(stream, current_version=3, events=happened())
        consumer.ack(next_at(4))
        consumer.stop()

    client.delete_subscription(group, stream)
    raises(NotFoundError, info)
    raises(NotFoundError, lambda: client.delete_subscription(group, stream))


def consumes_the_log_as_a_group(client):
    family = unique("family")
    client.append_to_stream(f"{family}-one", current_version=NO_STREAM, events=happened())
    client.create_subscription_to_all(
        family, filter_include=[f"{family}-.*"], filter_by_stream_name=True, commit_position=0
    )
    with client.read_subscription_to_all(family, timeout=CALL_SECONDS_MAX) as consumer:
        event = next(consumer)
        assert event.stream_name == f"{family}-one"
        consumer.ack(event)
        consumer.stop()
    client.delete_subscription(family)


CASES = [
    appends_and_reads,
    knows_repeats,
    meets_another_version,
    reads_the_log,
    subscribes_to_a_stream,
    subscribes_to_the_log,
    deletes,
    tombstones,
    describes_streams,
    consumes_as_a_group,
    consumes_the_log_as_a_group,
]


def main():
    url, wanted = sys.argv[1], sys.argv[2:]
    with KurrentDBClient(url) as client:
        for case in CASES:
            if not wanted or case.__name__ in wanted:
                print(case.__name__, flush=True)
                case(client)


if __name__ == "__main__":
    main()
