/* grpc_mqtt.gmq: the core library. The name must not begin with an underscore: SWIG would mangle it. */
%module(package="grpc_mqtt") gmq
%include "gmq_python.swg"
%include "common.i"
%include "message.i"
