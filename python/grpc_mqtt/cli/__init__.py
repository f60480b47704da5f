"""The command ``grpc-mqtt``: one module a sub-command."""
