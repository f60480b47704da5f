/* The two files made of one .proto. The parts of a service are in sources of their own:
 * emit_client.c, emit_events.c, emit_server.c; each has a part of the header and of the source. */
#ifndef GMQ_CODEGEN_EMIT_H
#define GMQ_CODEGEN_EMIT_H

#include "codegen/model.h"
#include "codegen/template.h"

void gmq__emit_header(gmq__bytes *out, const gmq__gen_file *file); /* x.grpc-mqtt.h */
void gmq__emit_source(gmq__bytes *out, const gmq__gen_file *file); /* x.grpc-mqtt.c */

/* What the templates of a service, and of one of its methods, may name. */
enum { GMQ__SERVICE_VARS = 8, GMQ__METHOD_VARS = 20 };
void gmq__service_vars(const gmq__gen_service *service, gmq__var vars[GMQ__SERVICE_VARS]);
void gmq__method_vars(const gmq__gen_service *service, const gmq__gen_method *method,
                      gmq__var vars[GMQ__METHOD_VARS]);

/* Which helpers the source of a file needs: bits. */
typedef enum gmq__needs {
    GMQ__NEEDS_ANY = 1,         /* there is a method */
    GMQ__NEEDS_ONE_REPLY = 2,   /* unary, client streaming */
    GMQ__NEEDS_REPLIES = 4,     /* server streaming, bidi */
    GMQ__NEEDS_ONE_REQUEST = 8, /* unary, server streaming */
    GMQ__NEEDS_REQUESTS = 16    /* client streaming, bidi */
} gmq__needs;
unsigned gmq__needs_of(const gmq__gen_method *method);

void gmq__emit_client_header(gmq__bytes *out, const gmq__gen_service *service);
void gmq__emit_client_helpers(gmq__bytes *out, unsigned needs);
void gmq__emit_client_source(gmq__bytes *out, const gmq__gen_service *service);

/* A method on a client of the program's own; after the helpers of the client and the server. */
void gmq__emit_events_header(gmq__bytes *out, const gmq__gen_method *method,
                             const gmq__var vars[GMQ__METHOD_VARS]);
void gmq__emit_events_helpers(gmq__bytes *out, unsigned needs);
void gmq__emit_events_source(gmq__bytes *out, const gmq__gen_method *method,
                             const gmq__var vars[GMQ__METHOD_VARS]);

void gmq__emit_server_header(gmq__bytes *out, const gmq__gen_service *service);
void gmq__emit_server_helpers(gmq__bytes *out, unsigned needs);
void gmq__emit_server_source(gmq__bytes *out, const gmq__gen_service *service);

#endif
