"""Reads lines [path, request] as OpenTelemetry's own protobuf messages. Unknown fields, wrong types
and ids of a wrong length are errors. OTLP's JSON differs from protobuf's in one thing: trace and span
ids are hexadecimal."""
import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MESSAGES = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest}
LENGTHS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def with_bytes(value):
    if isinstance(value, list):
        return [with_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, one in value.items():
        if key in LENGTHS:
            raw = bytes.fromhex(one)
            if len(raw) != LENGTHS[key] or not any(raw):
                sys.exit(f"{key} is {one}")
            one = base64.b64encode(raw).decode()
        changed[key] = with_bytes(one)
    return changed


seen = 0
for line in sys.stdin:
    path, request = json.loads(line)
    message = json_format.ParseDict(with_bytes(request), MESSAGES[path]())
    for resource in message.resource_spans if path == "/v1/traces" else message.resource_logs:
        names = [one.key for one in resource.resource.attributes]
        if "service.name" not in names:
            sys.exit(f"no service.name in {names}")
        scopes = resource.scope_spans if path == "/v1/traces" else resource.scope_logs
        for scope in scopes:
            seen += len(scope.spans if path == "/v1/traces" else scope.log_records)
            for span in scope.spans if path == "/v1/traces" else []:
                if not (span.name and span.start_time_unix_nano <= span.end_time_unix_nano and span.kind):
                    sys.exit(f"half a span: {span}")
if not seen:
    sys.exit("nothing in it")
