"""RabbitMQ with its MQTT plugin: a node of its own, on free ports, that leaves no trace."""

import os
import shutil
from pathlib import Path

from stack import Process, free_port

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
BOOT = 90  # seconds that an Erlang node may take to start


def what_is_missing():
    """A word about why RabbitMQ cannot be started here; None where it can."""
    if not SCRIPT.exists():
        return "RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)"
    if not shutil.which("epmd"):
        return "RabbitMQ is installed, but Erlang's epmd is not in the PATH"
    return None


class RabbitMq:
    """MQTT 3.1.1 for everybody on `port` of 127.0.0.1; all it writes is in `directory`.

    The port mapper of Erlang is started here and not by the node, which would leave it behind.
    """

    def __init__(self, directory):
        directory = Path(directory)
        self.port, mapper = free_port(), free_port()
        (directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{free_port()}\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\n"
            "log.console = true\n"
            "log.console.level = info\n"
        )
        (directory / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        (directory / "env.conf").write_text("")
        environment = {
            "HOME": directory,  # the cookie is made there
            "ERL_EPMD_PORT": mapper,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"gmq{self.port}@localhost",
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_CONF_ENV_FILE": directory / "env.conf",
            "RABBITMQ_CONFIG_FILE": directory / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": directory / "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": directory / "mnesia",
            "RABBITMQ_LOG_BASE": directory / "log",
            "RABBITMQ_PID_FILE": directory / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
            "RABBITMQ_ALLOW_INPUT": "1",  # Erlang in place of the script, so that our pid is its
            "RUNNING_UNDER_SYSTEMD": "",
        }
        environment = {key: str(value) for key, value in environment.items()}
        self._mapper = Process("epmd", "-port", mapper, "-address", "127.0.0.1")
        self._node = Process(SCRIPT, "-noinput", env={**os.environ, **environment})
        try:
            self._node.expect("Server startup complete", patience=BOOT)
        except AssertionError:
            self.stop()
            raise

    def url(self, base, **query):
        options = "&".join(f"{key}={value}" for key, value in query.items())
        return f"mqtt://127.0.0.1:{self.port}/{base}" + (f"?{options}" if options else "")

    def stop(self):
        self._node.stop()
        self._mapper.stop()
