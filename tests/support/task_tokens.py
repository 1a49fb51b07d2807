"""Task tokens that a dev server 1.32 gave to a worker, and the server's message definition.

The server was started for this capture and is gone, so these tokens open nothing.
"""

from __future__ import annotations

import base64
import re

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

NAMESPACE_ID = "01a20c32-a5a5-70ac-ab7d-e001a720a694"

WORKFLOW_ACTIVITY = base64.b64decode(  # first attempt, workflow external-1
    "CiQwMWEyMGMzMi1hNWE1LTcwYWMtYWI3ZC1lMDAxYTcyMGE2OTQSCmV4dGVybmFsLTEaJDAxYTIw"
    "YzMyLWE2ZmMtNzY2Yi05NzFjLTVhYzI2ZTUyOWQ0ZSAFKAEyATFCEUNhbGxBZ2VudEFjdGl2aXR5"
    "SggIARCkgEAYAQ=="
)
FIRST_ATTEMPT = base64.b64decode(  # workflow external-2
    "CiQwMWEyMGMzMi1hNWE1LTcwYWMtYWI3ZC1lMDAxYTcyMGE2OTQSCmV4dGVybmFsLTIaJDAxYTIw"
    "YzMyLWE3MjEtNzEyMi04NWViLWIyYjMwODIwNzBiMyAFKAEyATFCEUNhbGxBZ2VudEFjdGl2aXR5"
    "SggIARCqgEAYAQ=="
)
SECOND_ATTEMPT = base64.b64decode(  # the same activity, retried
    "CiQwMWEyMGMzMi1hNWE1LTcwYWMtYWI3ZC1lMDAxYTcyMGE2OTQSCmV4dGVybmFsLTIaJDAxYTIw"
    "YzMyLWE3MjEtNzEyMi04NWViLWIyYjMwODIwNzBiMyAFKAIyATFCEUNhbGxBZ2VudEFjdGl2aXR5"
    "SggIARCygEAYAQ=="
)
STANDALONE = base64.b64decode(
    "CiQwMWEyMGMzMi1hNWE1LTcwYWMtYWI3ZC1lMDAxYTcyMGE2OTQoATIMc3RhbmRhbG9uZS0xQhFD"
    "YWxsQWdlbnRBY3Rpdml0eXJoCiQwMWEyMGMzMi1hNWE1LTcwYWMtYWI3ZC1lMDAxYTcyMGE2OTQS"
    "DHN0YW5kYWxvbmUtMRokMDFhMjBjMzItYTczZi03MDQ3LTgxYmYtYTczNzU4YmRjMGIyIOKwg7UM"
    "KgIQAToCEAF4AQ=="
)
ALL = (WORKFLOW_ACTIVITY, FIRST_ATTEMPT, SECOND_ATTEMPT, STANDALONE)

_PROTO = """
VectorClock: shard_id 1 int32, clock 2 int64, cluster_id 3 int64
Timestamp: seconds 1 int64, nanos 2 int32
Ref: namespace_id 1 string, business_id 2 string, run_id 3 string, archetype_id 4 uint32
Task: namespace_id 1 string, workflow_id 2 string, run_id 3 string, scheduled_event_id 4 int64,
attempt 5 int32, activity_id 6 string, workflow_type 7 string, activity_type 8 string,
clock 9 VectorClock, started_event_id 10 int64, version 11 int64, started_time 12 Timestamp,
start_version 13 int64, component_ref 14 bytes, activity_attempt_stamp 15 int32
"""


def _messages() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="task_token.proto", package="t", syntax="proto3")
    for definition in re.split(r"\n(?=\w+:)", _PROTO.strip()):
        name, fields = definition.split(":")
        message = file.message_type.add(name=name)
        for field in fields.split(","):
            field_name, number, kind = field.split()
            added = message.field.add(name=field_name, number=int(number), label=1)
            if kind[0].isupper():
                added.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                added.type_name = f".t.{kind}"
            else:
                added.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name], pool)


MESSAGES = _messages()
"""The protobuf runtime's classes, by full name: `t.Task` and `t.Ref` among them."""
