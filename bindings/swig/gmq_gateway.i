/* grpc_mqtt.gmq_gateway: apart from grpc_mqtt.gmq, so that only those who want a gateway load the gRPC C core. */
%module(package="grpc_mqtt") gmq_gateway
%include "gmq_python.swg"
%import "gmq.i"
%include "gateway.i"
