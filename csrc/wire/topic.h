/* Topics of both dialects: building and parsing. docs/design/session.md, "Topics". */
#ifndef GMQ_WIRE_TOPIC_H
#define GMQ_WIRE_TOPIC_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

#define GMQ__SID_LEN 24 /* characters of a session id: 144 random bits, URL-safe base64 */

/* A base topic has one or more non-empty levels, valid UTF-8, no '+', '#', NUL, and is at most
 * 65535 - 512 bytes. Errors: GMQ_E_INVALID naming the topic and the fault. */
gmq_status gmq__topic_check_base(gmq__span base);

/* "/pkg.Svc/Method": two non-empty parts, no '+', '#', NUL, control characters, further '/'; a '-'
 * in the service is refused too (it would come back as a dot). Errors: GMQ_E_INVALID naming path
 * and fault. */
gmq_status gmq__topic_check_path(gmq__span path);

/* 18 random bytes -> GMQ__SID_LEN characters and NUL. */
void gmq__sid_encode(const uint8_t random[18], char sid[GMQ__SID_LEN + 1]);

/* Builders append to `out`. */
void gmq__topic_request(gmq__bytes *out, gmq__span base, gmq__span sid,
                        gmq__span path); /* base/grpc/request/<sid>/<svc>/<rpc> */
void gmq__topic_session(gmq__bytes *out, gmq__span base,
                        gmq__span sid); /* base/grpc/session/<sid> */
void gmq__topic_control(gmq__bytes *out, gmq__span base, gmq__span sid); /* .../control */
void gmq__topic_request_filter(gmq__bytes *out, gmq__span base); /* base/grpc/request/+/+/+ */
void gmq__topic_control_filter(gmq__bytes *out, gmq__span base); /* base/grpc/session/+/control */

typedef enum gmq__topic_kind {
    GMQ__TOPIC_OTHER, /* not one of ours */
    GMQ__TOPIC_REQUEST,
    GMQ__TOPIC_SESSION,
    GMQ__TOPIC_CONTROL,
} gmq__topic_kind;

typedef struct gmq__topic_parts { /* borrowed from the topic */
    gmq__topic_kind kind;
    gmq__span sid;     /* one non-empty level, whatever its length */
    gmq__span service; /* as on the wire, request only: '-' for '.' (dots are accepted too) */
    gmq__span rpc;     /* request only */
} gmq__topic_parts;

gmq__topic_parts gmq__topic_parse(gmq__span base, gmq__span topic);

/* "/pkg.Svc/Rpc" of a parsed request topic, appended to `out`. */
void gmq__topic_path(gmq__bytes *out, const gmq__topic_parts *parts);

/* MQTT filter match (with '+', '#', and '$'-topics kept from wildcards at the first level). */
bool gmq__topic_matches(gmq__span filter, gmq__span topic);

#endif
