/** @file grpc_mqtt.h The whole core API: gRPC calls carried over an MQTT broker. */
#ifndef GRPC_MQTT_GRPC_MQTT_H
#define GRPC_MQTT_GRPC_MQTT_H

#include <grpc_mqtt/base.h>
#include <grpc_mqtt/buf.h>
#include <grpc_mqtt/call.h>
#include <grpc_mqtt/channel.h>
#include <grpc_mqtt/client.h>
#include <grpc_mqtt/message.h>
#include <grpc_mqtt/metadata.h>
#include <grpc_mqtt/method_map.h>
#include <grpc_mqtt/observer.h>
#include <grpc_mqtt/options.h>
#include <grpc_mqtt/queue.h>
#include <grpc_mqtt/schema.h>
#include <grpc_mqtt/server.h>
#include <grpc_mqtt/stats.h>

#endif
