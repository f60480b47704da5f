"""grpcio's classes as type checkers are to see them: its stubs make some of them generic, which
they are not when they run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

Serializer: TypeAlias = Callable[[Any], bytes]
Deserializer: TypeAlias = Callable[[bytes], Any]
#: In a union: None may come, too, where the stubs promise that it does not.
MaybeNone: TypeAlias = Any

if TYPE_CHECKING:
    MethodHandler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
    CallFuture: TypeAlias = grpc._CallFuture[Any]
    CallIterator: TypeAlias = grpc._CallIterator[Any]
    UnaryUnaryMultiCallable: TypeAlias = grpc.UnaryUnaryMultiCallable[Any, Any]
    UnaryStreamMultiCallable: TypeAlias = grpc.UnaryStreamMultiCallable[Any, Any]
    StreamUnaryMultiCallable: TypeAlias = grpc.StreamUnaryMultiCallable[Any, Any]
    StreamStreamMultiCallable: TypeAlias = grpc.StreamStreamMultiCallable[Any, Any]
    AioServicerContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    AioUnaryUnaryCall: TypeAlias = grpc.aio.UnaryUnaryCall[Any, Any]
    AioUnaryStreamCall: TypeAlias = grpc.aio.UnaryStreamCall[Any, Any]
    AioStreamUnaryCall: TypeAlias = grpc.aio.StreamUnaryCall[Any, Any]
    AioStreamStreamCall: TypeAlias = grpc.aio.StreamStreamCall[Any, Any]
    AioInterceptedUnaryUnaryCall: TypeAlias = grpc.aio.InterceptedUnaryUnaryCall[Any, Any]
    AioUnaryUnaryMultiCallable: TypeAlias = grpc.aio.UnaryUnaryMultiCallable[Any, Any]
    AioUnaryStreamMultiCallable: TypeAlias = grpc.aio.UnaryStreamMultiCallable[Any, Any]
    AioStreamUnaryMultiCallable: TypeAlias = grpc.aio.StreamUnaryMultiCallable[Any, Any]
    AioStreamStreamMultiCallable: TypeAlias = grpc.aio.StreamStreamMultiCallable[Any, Any]
else:
    MethodHandler = grpc.RpcMethodHandler
    UnaryUnaryMultiCallable = grpc.UnaryUnaryMultiCallable
    UnaryStreamMultiCallable = grpc.UnaryStreamMultiCallable
    StreamUnaryMultiCallable = grpc.StreamUnaryMultiCallable
    StreamStreamMultiCallable = grpc.StreamStreamMultiCallable
    AioServicerContext = grpc.aio.ServicerContext
    AioUnaryUnaryCall = grpc.aio.UnaryUnaryCall
    AioUnaryStreamCall = grpc.aio.UnaryStreamCall
    AioStreamUnaryCall = grpc.aio.StreamUnaryCall
    AioStreamStreamCall = grpc.aio.StreamStreamCall
    AioInterceptedUnaryUnaryCall = grpc.aio.InterceptedUnaryUnaryCall
    AioUnaryUnaryMultiCallable = grpc.aio.UnaryUnaryMultiCallable
    AioUnaryStreamMultiCallable = grpc.aio.UnaryStreamMultiCallable
    AioStreamUnaryMultiCallable = grpc.aio.StreamUnaryMultiCallable
    AioStreamStreamMultiCallable = grpc.aio.StreamStreamMultiCallable
