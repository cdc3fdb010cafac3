from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClientMessage(_message.Message):
    __slots__ = ("connect", "authenticate", "subscribe", "unsubscribe", "resume", "publish", "history", "ping", "pong", "consume", "ack", "nack", "consumer", "release", "enter", "leave", "members", "unwatch", "call")
    CONNECT_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATE_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    UNSUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    CONSUME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    ENTER_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    UNWATCH_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    connect: Connect
    authenticate: Authenticate
    subscribe: Subscribe
    unsubscribe: Unsubscribe
    resume: Resume
    publish: Publish
    history: History
    ping: Ping
    pong: Pong
    consume: Consume
    ack: Ack
    nack: Nack
    consumer: Consumer
    release: Release
    enter: Enter
    leave: Leave
    members: Members
    unwatch: Unwatch
    call: Call
    def __init__(self, connect: _Optional[_Union[Connect, _Mapping]] = ..., authenticate: _Optional[_Union[Authenticate, _Mapping]] = ..., subscribe: _Optional[_Union[Subscribe, _Mapping]] = ..., unsubscribe: _Optional[_Union[Unsubscribe, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., publish: _Optional[_Union[Publish, _Mapping]] = ..., history: _Optional[_Union[History, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., consume: _Optional[_Union[Consume, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., nack: _Optional[_Union[Nack, _Mapping]] = ..., consumer: _Optional[_Union[Consumer, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., enter: _Optional[_Union[Enter, _Mapping]] = ..., leave: _Optional[_Union[Leave, _Mapping]] = ..., members: _Optional[_Union[Members, _Mapping]] = ..., unwatch: _Optional[_Union[Unwatch, _Mapping]] = ..., call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class Connect(_message.Message):
    __slots__ = ("id", "version", "token", "client", "inbox")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    INBOX_FIELD_NUMBER: _ClassVar[int]
    id: int
    version: int
    token: str
    client: str
    inbox: str
    def __init__(self, id: _Optional[int] = ..., version: _Optional[int] = ..., token: _Optional[str] = ..., client: _Optional[str] = ..., inbox: _Optional[str] = ...) -> None: ...

class Authenticate(_message.Message):
    __slots__ = ("id", "token")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: int
    token: str
    def __init__(self, id: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class Subscribe(_message.Message):
    __slots__ = ("id", "stream", "position", "start", "last", "pattern", "positions")
    class PositionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    position: str
    start: str
    last: int
    pattern: str
    positions: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., position: _Optional[str] = ..., start: _Optional[str] = ..., last: _Optional[int] = ..., pattern: _Optional[str] = ..., positions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Unsubscribe(_message.Message):
    __slots__ = ("id", "stream", "pattern")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    pattern: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., pattern: _Optional[str] = ...) -> None: ...

class ResumedStream(_message.Message):
    __slots__ = ("stream", "position", "start", "last")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    stream: str
    position: str
    start: str
    last: int
    def __init__(self, stream: _Optional[str] = ..., position: _Optional[str] = ..., start: _Optional[str] = ..., last: _Optional[int] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("id", "streams")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    id: int
    streams: _containers.RepeatedCompositeFieldContainer[ResumedStream]
    def __init__(self, id: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[ResumedStream, _Mapping]]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("data", "bytes", "key")
    DATA_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    bytes: bytes
    key: str
    def __init__(self, data: _Optional[bytes] = ..., bytes: _Optional[bytes] = ..., key: _Optional[str] = ...) -> None: ...

class Publish(_message.Message):
    __slots__ = ("id", "stream", "data", "bytes", "batch", "producer", "epoch", "sequence", "key", "if_tail", "durability")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    IF_TAIL_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    data: bytes
    bytes: bytes
    batch: _containers.RepeatedCompositeFieldContainer[Item]
    producer: str
    epoch: int
    sequence: int
    key: str
    if_tail: str
    durability: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., data: _Optional[bytes] = ..., bytes: _Optional[bytes] = ..., batch: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., producer: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., key: _Optional[str] = ..., if_tail: _Optional[str] = ..., durability: _Optional[str] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ("id", "stream", "after", "before", "limit")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    after: str
    before: str
    limit: int
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., after: _Optional[str] = ..., before: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Consume(_message.Message):
    __slots__ = ("id", "stream", "consumer", "position", "start", "last", "window", "ack_wait_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    ACK_WAIT_S_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    consumer: str
    position: str
    start: str
    last: int
    window: int
    ack_wait_s: float
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., position: _Optional[str] = ..., start: _Optional[str] = ..., last: _Optional[int] = ..., window: _Optional[int] = ..., ack_wait_s: _Optional[float] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("id", "stream", "consumer", "upto", "positions")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    UPTO_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    consumer: str
    upto: str
    positions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., upto: _Optional[str] = ..., positions: _Optional[_Iterable[str]] = ...) -> None: ...

class Nack(_message.Message):
    __slots__ = ("id", "stream", "consumer", "positions", "after_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    AFTER_S_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    consumer: str
    positions: _containers.RepeatedScalarFieldContainer[str]
    after_s: float
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., positions: _Optional[_Iterable[str]] = ..., after_s: _Optional[float] = ...) -> None: ...

class Consumer(_message.Message):
    __slots__ = ("id", "stream", "consumer")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    consumer: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("id", "stream", "consumer", "forget")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    consumer: str
    forget: bool
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., forget: bool = ...) -> None: ...

class Enter(_message.Message):
    __slots__ = ("id", "stream", "data")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    data: bytes
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("id", "stream")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ...) -> None: ...

class Members(_message.Message):
    __slots__ = ("id", "stream", "watch")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    WATCH_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    watch: bool
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., watch: bool = ...) -> None: ...

class Unwatch(_message.Message):
    __slots__ = ("id", "stream")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "method", "data", "timeout_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    id: int
    method: str
    data: bytes
    timeout_s: float
    def __init__(self, id: _Optional[int] = ..., method: _Optional[str] = ..., data: _Optional[bytes] = ..., timeout_s: _Optional[float] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("connected", "authenticated", "subscribed", "unsubscribed", "resumed", "published", "history", "ping", "pong", "consuming", "acked", "nacked", "consumer", "released", "entered", "left", "members", "unwatched", "result", "error", "entry", "gap", "closed", "ended", "matched", "delivery", "presence", "closing")
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    UNSUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    CONSUMING_FIELD_NUMBER: _ClassVar[int]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    NACKED_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    ENTERED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    UNWATCHED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    connected: Connected
    authenticated: Authenticated
    subscribed: Subscribed
    unsubscribed: Unsubscribed
    resumed: Resumed
    published: Published
    history: HistoryAnswer
    ping: Ping
    pong: Pong
    consuming: ConsumerAnswer
    acked: ConsumerAnswer
    nacked: ConsumerAnswer
    consumer: ConsumerAnswer
    released: ConsumerAnswer
    entered: StreamAnswer
    left: StreamAnswer
    members: MembersAnswer
    unwatched: StreamAnswer
    result: Result
    error: Error
    entry: Entry
    gap: Gap
    closed: Closed
    ended: Ended
    matched: Subscribed
    delivery: Delivery
    presence: Presence
    closing: Closing
    def __init__(self, connected: _Optional[_Union[Connected, _Mapping]] = ..., authenticated: _Optional[_Union[Authenticated, _Mapping]] = ..., subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., unsubscribed: _Optional[_Union[Unsubscribed, _Mapping]] = ..., resumed: _Optional[_Union[Resumed, _Mapping]] = ..., published: _Optional[_Union[Published, _Mapping]] = ..., history: _Optional[_Union[HistoryAnswer, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., consuming: _Optional[_Union[ConsumerAnswer, _Mapping]] = ..., acked: _Optional[_Union[ConsumerAnswer, _Mapping]] = ..., nacked: _Optional[_Union[ConsumerAnswer, _Mapping]] = ..., consumer: _Optional[_Union[ConsumerAnswer, _Mapping]] = ..., released: _Optional[_Union[ConsumerAnswer, _Mapping]] = ..., entered: _Optional[_Union[StreamAnswer, _Mapping]] = ..., left: _Optional[_Union[StreamAnswer, _Mapping]] = ..., members: _Optional[_Union[MembersAnswer, _Mapping]] = ..., unwatched: _Optional[_Union[StreamAnswer, _Mapping]] = ..., result: _Optional[_Union[Result, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., entry: _Optional[_Union[Entry, _Mapping]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., closed: _Optional[_Union[Closed, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., matched: _Optional[_Union[Subscribed, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, _Mapping]] = ..., presence: _Optional[_Union[Presence, _Mapping]] = ..., closing: _Optional[_Union[Closing, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("message_bytes", "entry_bytes", "batch_entries", "subscriptions", "in_flight", "producer_in_flight", "history_entries", "producer_state_s", "key_bytes", "calls_in_flight", "call_timeout_s", "consumers", "consumer_window", "presence_members", "presence_data_bytes")
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENTRY_BYTES_FIELD_NUMBER: _ClassVar[int]
    BATCH_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_STATE_S_FIELD_NUMBER: _ClassVar[int]
    KEY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CALLS_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    CALL_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_DATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    message_bytes: int
    entry_bytes: int
    batch_entries: int
    subscriptions: int
    in_flight: int
    producer_in_flight: int
    history_entries: int
    producer_state_s: int
    key_bytes: int
    calls_in_flight: int
    call_timeout_s: float
    consumers: int
    consumer_window: int
    presence_members: int
    presence_data_bytes: int
    def __init__(self, message_bytes: _Optional[int] = ..., entry_bytes: _Optional[int] = ..., batch_entries: _Optional[int] = ..., subscriptions: _Optional[int] = ..., in_flight: _Optional[int] = ..., producer_in_flight: _Optional[int] = ..., history_entries: _Optional[int] = ..., producer_state_s: _Optional[int] = ..., key_bytes: _Optional[int] = ..., calls_in_flight: _Optional[int] = ..., call_timeout_s: _Optional[float] = ..., consumers: _Optional[int] = ..., consumer_window: _Optional[int] = ..., presence_members: _Optional[int] = ..., presence_data_bytes: _Optional[int] = ...) -> None: ...

class Connected(_message.Message):
    __slots__ = ("id", "version", "connection", "server", "heartbeat_s", "user", "expires_in_s", "inbox", "limits")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_S_FIELD_NUMBER: _ClassVar[int]
    INBOX_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    id: int
    version: int
    connection: str
    server: str
    heartbeat_s: float
    user: str
    expires_in_s: float
    inbox: Subscribed
    limits: Limits
    def __init__(self, id: _Optional[int] = ..., version: _Optional[int] = ..., connection: _Optional[str] = ..., server: _Optional[str] = ..., heartbeat_s: _Optional[float] = ..., user: _Optional[str] = ..., expires_in_s: _Optional[float] = ..., inbox: _Optional[_Union[Subscribed, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Authenticated(_message.Message):
    __slots__ = ("id", "user", "expires_in_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_S_FIELD_NUMBER: _ClassVar[int]
    id: int
    user: str
    expires_in_s: float
    def __init__(self, id: _Optional[int] = ..., user: _Optional[str] = ..., expires_in_s: _Optional[float] = ...) -> None: ...

class Subscribed(_message.Message):
    __slots__ = ("id", "stream", "position", "tail", "recovered", "reason", "held", "closed", "pattern", "streams", "code", "message", "retry", "action", "limit")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    position: str
    tail: str
    recovered: bool
    reason: str
    held: str
    closed: bool
    pattern: str
    streams: int
    code: str
    message: str
    retry: bool
    action: str
    limit: int
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., position: _Optional[str] = ..., tail: _Optional[str] = ..., recovered: bool = ..., reason: _Optional[str] = ..., held: _Optional[str] = ..., closed: bool = ..., pattern: _Optional[str] = ..., streams: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retry: bool = ..., action: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class Unsubscribed(_message.Message):
    __slots__ = ("id", "stream", "position", "pattern")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    position: str
    pattern: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., position: _Optional[str] = ..., pattern: _Optional[str] = ...) -> None: ...

class Resumed(_message.Message):
    __slots__ = ("id", "streams")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    id: int
    streams: _containers.RepeatedCompositeFieldContainer[Subscribed]
    def __init__(self, id: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[Subscribed, _Mapping]]] = ...) -> None: ...

class Published(_message.Message):
    __slots__ = ("id", "stream", "first", "last", "duplicate", "durability")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    first: str
    last: str
    duplicate: bool
    durability: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., first: _Optional[str] = ..., last: _Optional[str] = ..., duplicate: bool = ..., durability: _Optional[str] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("stream", "after", "position", "time", "key", "data", "bytes", "erased")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    stream: str
    after: str
    position: str
    time: int
    key: str
    data: bytes
    bytes: bytes
    erased: bool
    def __init__(self, stream: _Optional[str] = ..., after: _Optional[str] = ..., position: _Optional[str] = ..., time: _Optional[int] = ..., key: _Optional[str] = ..., data: _Optional[bytes] = ..., bytes: _Optional[bytes] = ..., erased: bool = ...) -> None: ...

class HistoryAnswer(_message.Message):
    __slots__ = ("id", "stream", "entries", "more", "tail")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    more: bool
    tail: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., more: bool = ..., tail: _Optional[str] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("stream", "after", "upto", "reason", "lost", "consumer")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    UPTO_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    stream: str
    after: str
    upto: str
    reason: str
    lost: bool
    consumer: str
    def __init__(self, stream: _Optional[str] = ..., after: _Optional[str] = ..., upto: _Optional[str] = ..., reason: _Optional[str] = ..., lost: bool = ..., consumer: _Optional[str] = ...) -> None: ...

class Closed(_message.Message):
    __slots__ = ("stream", "position", "consumer")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    stream: str
    position: str
    consumer: str
    def __init__(self, stream: _Optional[str] = ..., position: _Optional[str] = ..., consumer: _Optional[str] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("stream", "position", "code", "message", "retry", "action", "limit", "consumer", "pattern")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    stream: str
    position: str
    code: str
    message: str
    retry: bool
    action: str
    limit: int
    consumer: str
    pattern: str
    def __init__(self, stream: _Optional[str] = ..., position: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retry: bool = ..., action: _Optional[str] = ..., limit: _Optional[int] = ..., consumer: _Optional[str] = ..., pattern: _Optional[str] = ...) -> None: ...

class ConsumerAnswer(_message.Message):
    __slots__ = ("id", "stream", "consumer", "position", "tail", "unread", "pending", "exists")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    consumer: str
    position: str
    tail: str
    unread: int
    pending: int
    exists: bool
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., consumer: _Optional[str] = ..., position: _Optional[str] = ..., tail: _Optional[str] = ..., unread: _Optional[int] = ..., pending: _Optional[int] = ..., exists: bool = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("consumer", "attempt", "stream", "after", "position", "time", "key", "data", "bytes", "erased")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    attempt: int
    stream: str
    after: str
    position: str
    time: int
    key: str
    data: bytes
    bytes: bytes
    erased: bool
    def __init__(self, consumer: _Optional[str] = ..., attempt: _Optional[int] = ..., stream: _Optional[str] = ..., after: _Optional[str] = ..., position: _Optional[str] = ..., time: _Optional[int] = ..., key: _Optional[str] = ..., data: _Optional[bytes] = ..., bytes: _Optional[bytes] = ..., erased: bool = ...) -> None: ...

class StreamAnswer(_message.Message):
    __slots__ = ("id", "stream")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("user", "connection", "data")
    USER_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    user: str
    connection: str
    data: bytes
    def __init__(self, user: _Optional[str] = ..., connection: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class MembersAnswer(_message.Message):
    __slots__ = ("id", "stream", "members")
    ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: int
    stream: str
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, id: _Optional[int] = ..., stream: _Optional[str] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Presence(_message.Message):
    __slots__ = ("stream", "event", "user", "connection", "data", "members")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    stream: str
    event: str
    user: str
    connection: str
    data: bytes
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, stream: _Optional[str] = ..., event: _Optional[str] = ..., user: _Optional[str] = ..., connection: _Optional[str] = ..., data: _Optional[bytes] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("id", "data")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    id: int
    data: bytes
    def __init__(self, id: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("id", "code", "message", "retry", "expected", "epoch", "limit", "tail", "position", "reason", "content_type", "action", "stream", "versions", "after_s", "durability")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    AFTER_S_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    id: int
    code: str
    message: str
    retry: bool
    expected: int
    epoch: int
    limit: int
    tail: str
    position: str
    reason: str
    content_type: str
    action: str
    stream: str
    versions: _containers.RepeatedScalarFieldContainer[int]
    after_s: float
    durability: str
    def __init__(self, id: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retry: bool = ..., expected: _Optional[int] = ..., epoch: _Optional[int] = ..., limit: _Optional[int] = ..., tail: _Optional[str] = ..., position: _Optional[str] = ..., reason: _Optional[str] = ..., content_type: _Optional[str] = ..., action: _Optional[str] = ..., stream: _Optional[str] = ..., versions: _Optional[_Iterable[int]] = ..., after_s: _Optional[float] = ..., durability: _Optional[str] = ...) -> None: ...

class Closing(_message.Message):
    __slots__ = ("code", "reason", "reconnect", "after_s")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_FIELD_NUMBER: _ClassVar[int]
    AFTER_S_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    reconnect: bool
    after_s: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., reconnect: bool = ..., after_s: _Optional[_Iterable[float]] = ...) -> None: ...
