"""Adapts the gRPC service of an aggregate to pure functions: rebuild the state, decide, return events.

None of this is needed to write logic: it adapts the contract to functions that know nothing of gRPC.
"""

import os
import signal
from concurrent import futures
from threading import Event

import grpc
from angzarr.v1 import logic_pb2, logic_pb2_grpc, types_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

# A history of 16 MiB, with room for its encoding; the default of gRPC is 4 MiB.
MAX_MESSAGE_BYTES = 21 * 1024 * 1024
# How long calls in flight may take after the process was told to stop.
GRACE_SECONDS = 10


class Refusal(Exception):
    """A command that is not accepted: the status code and message that its sender gets."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def invalid(message):
    """Refuses a command that is wrong in every state."""
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def forbidden(message):
    """Refuses a command that the state forbids."""
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, message)


def unreadable(message):
    """Refuses a history that this program cannot read."""
    return Refusal(grpc.StatusCode.INTERNAL, message)


class Aggregate(logic_pb2_grpc.BusinessLogicServicer):
    """Serves the rules of one domain.

    `state` is a message, `apply` maps each type of event to a function `(state, event)` that changes the state, and
    `decide` each type of command to a function `(state, command, now)` that returns an event or refuses.
    """

    def __init__(self, state, apply, decide):
        self._state = state
        self._apply = {message.DESCRIPTOR.full_name: (message, rule) for message, rule in apply.items()}
        self._decide = {message.DESCRIPTOR.full_name: (message, rule) for message, rule in decide.items()}

    def Handle(self, request, context):
        try:
            return self._answer(request)
        except Refusal as refusal:
            context.abort(refusal.code, str(refusal))

    def HandleStream(self, request_iterator, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "use Handle for commands")

    def Replay(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "use Handle for commands")

    def _answer(self, call):
        now = Timestamp()
        now.GetCurrentTime()
        state = self._rebuild(call.events)
        answer = types_pb2.EventBook()
        for page in call.command.pages:
            name = type_name(page.command)
            if name not in self._decide:
                raise invalid(f"unknown command: {name}")
            message, decide = self._decide[name]
            event = decide(state, unpack(page.command, message), now)
            answer.pages.add().event.Pack(event)
            self._fold(state, answer.pages[-1].event)
        return answer

    def _rebuild(self, history):
        state = self._state()
        if history.HasField("snapshot"):
            kept = history.snapshot.state
            if type_name(kept) != self._state.DESCRIPTOR.full_name:
                raise unreadable("the snapshot has another type of state")
            state = unpack(kept, self._state)
        for page in history.pages:
            self._fold(state, page.event)
        return state

    def _fold(self, state, event):
        name = type_name(event)
        # An unknown event would be missing from the state, so no decision is made on such a history.
        if name not in self._apply:
            raise unreadable(f"the history has an unknown event {name}")
        message, apply = self._apply[name]
        apply(state, unpack(event, message))


def type_name(packed):
    """The full name of the message in an Any: what follows the last slash of its type URL."""
    return packed.type_url.rpartition("/")[2]


def unpack(packed, message):
    """The message in an Any whose type is known."""
    try:
        return message.FromString(packed.value)
    except DecodeError as error:
        raise invalid(f"{message.DESCRIPTOR.full_name} cannot be read: {error}") from error


def serve(aggregate):
    """Serves an aggregate, health and reflection on 127.0.0.1:$PORT until the process is told to stop."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    limits = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("receive", "send")]
    # Without the last option a second process could listen on the same port.
    server = grpc.server(futures.ThreadPoolExecutor(), options=[*limits, ("grpc.so_reuseport", 0)])
    name = logic_pb2.DESCRIPTOR.services_by_name["BusinessLogic"].full_name
    logic_pb2_grpc.add_BusinessLogicServicer_to_server(aggregate, server)
    status = health.HealthServicer()
    for service in ("", name):
        status.set(service, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection((name, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ.get('PORT', '50051')}")
    server.start()
    stop.wait()
    status.enter_graceful_shutdown()
    server.stop(GRACE_SECONDS).wait()
