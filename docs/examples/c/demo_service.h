/* The service demo.v1.Demo, on any queue: see server.c and embedded.c. */
#ifndef DEMO_SERVICE_H
#define DEMO_SERVICE_H

#include <grpc_mqtt/grpc_mqtt.h>

/* The methods of the service, for gmq_server_new(). */
gmq_status demo_methods(gmq_method_map **out);

/* Handles an event of one of the service's calls, or a new call. Others are left alone. */
void demo_handle(gmq_event *event);

/* Answers what is due by now (SayHello may be asked to wait). Milliseconds until the next is, -1 =
 * none. */
int64_t demo_tick(void);

#endif
