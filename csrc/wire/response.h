/* WrappedResponse, MQTTResponse, RemoteError; RError <-> gRPC status. docs/design/session.md. */
#ifndef GMQ_WIRE_RESPONSE_H
#define GMQ_WIRE_RESPONSE_H

#include "wire/metadata.h"

enum { /* RError: the numbers that we write; all 28 are in rerror.c */
       GMQ__RERROR_UNKNOWN = 0,
       GMQ__RERROR_NO_PARSE_BINARY = 2,
       GMQ__RERROR_NO_PARSE_EMBEDDED = 3,
       GMQ__RERROR_CALL_ERROR = 5,
       GMQ__RERROR_INVALID_METADATA = 14,
       GMQ__RERROR_INVALID_MESSAGE = 15,
       GMQ__RERROR_TIMEOUT = 20,
       GMQ__RERROR_SHUTDOWN = 21,
       GMQ__RERROR_BAD_STATUS_CODE = 23,
       GMQ__RERROR_HANDLER_EXCEPTION = 26,
       GMQ__RERROR_MQTT_FAILURE = 27,
};

typedef struct gmq__remote_error {
    int32_t type; /* RError; unknown numbers as they are */
    gmq__span message;
    bool has_status;
    int32_t status;     /* a gRPC status code, 0 is written too */
    gmq__span embedded; /* RemoteError inside, encoded; empty = none. Depth is bounded when read */
    /* Encoded MetadataMaps, empty = none. Fields of ours, which the reference does not look at: its
     * unary errors carry no metadata, those of gRPC do. */
    gmq__span initial, trailing;
} gmq__remote_error;

typedef struct gmq__response {
    bool is_error;
    gmq__remote_error error; /* is_error: borrowed */
    bool has_body;
    gmq__span body; /* borrowed */
    gmq_metadata
        *initial; /* decode: owned by the caller (gmq__response_clear()); NULL = field absent */
    gmq_metadata *trailing;
    int32_t code;
    gmq__span details; /* borrowed; as it came, it may be no UTF-8 */
    bool empty;        /* neither response nor error: no WrappedResponse at all */
} gmq__response;

/* Errors: GMQ_E_PARSE, GMQ_E_TOO_LARGE (metadata), GMQ_E_NOMEM. Where response and error both
 * stand, the response wins. */
gmq_status gmq__response_decode(gmq__span bytes, size_t metadata_limit, gmq__response *out);
void gmq__response_clear(gmq__response *response); /* frees what decode made */

typedef enum gmq__response_shape {
    GMQ__RESPONSE_WITH_BODY, /* unary, client streaming: body if has_body, fields 2 and 3 always */
    GMQ__RESPONSE_OF_STREAM, /* server streaming, bidi: no body, no field 2, field 3 always */
} gmq__response_shape;

/* The reference's bytes: WrappedResponse{1 = MQTTResponse}. Details that are not UTF-8: each bad
 * byte becomes U+FFFD. */
void gmq__response_encode(gmq__bytes *out, const gmq__response *response,
                          gmq__response_shape shape);

/* WrappedResponse{2 = error}; and the bare RemoteError. Type 0, empty message left out; status 0 is
 * written. */
void gmq__response_encode_error(gmq__bytes *out, const gmq__remote_error *error);
void gmq__remote_error_encode(gmq__bytes *out, const gmq__remote_error *error);
gmq_status gmq__remote_error_decode(gmq__span bytes, gmq__remote_error *out);

/* RemoteError under field `number` of a well-formed message. */
void gmq__remote_error_encode_field(gmq__bytes *out, uint32_t number,
                                    const gmq__remote_error *error);
gmq_status gmq__remote_error_decode_field(gmq__span in, uint32_t number, gmq__remote_error *out);

/* The caller's status of a remote error (never OK), and its text: the message, with what is
 * embedded after ": "; where there is none, the name of the error, save for BAD_STATUS_CODE.
 * `details` is appended to, valid UTF-8. */
int32_t gmq__remote_error_status(const gmq__remote_error *error, gmq__bytes *details);
const char *gmq__rerror_name(
    int32_t type); /* "IOGRPCTimeout"; "UnknownError" for a number that we do not know */

/* Valid UTF-8 out of any bytes (each bad byte U+FFFD), appended. */
void gmq__utf8_scrub(gmq__bytes *out, gmq__span text);
void gmq__utf8_put_field(gmq__bytes *out, uint32_t number,
                         gmq__span text); /* scrubbed, as a string field */

#endif
