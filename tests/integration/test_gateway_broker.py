"""The gateway before brokers that ask for something: passwords, certificates, MQTT 3.1.1."""

import subprocess

import paho.mqtt.client as mqtt
import pytest
from session import SessionClient
from stack import Broker

R = "/test.relay.v1.Relay/"


@pytest.fixture
def asking_broker(tmp_path):
    """Broker(...) with the given settings; stopped after the test."""
    started = []

    def start(*settings):
        started.append(Broker(tmp_path, *settings))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


def test_user_and_password(tmp_path, asking_broker, base, relay_protoset, start_gateway):
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    words = ["mosquitto_passwd", "-b", "-c", str(passwords), "gateway", "open sesame"]
    subprocess.run(words, check=True, capture_output=True)
    passwords.chmod(0o644)
    broker = asking_broker("allow_anonymous false", f"password_file {passwords}")
    pair = (relay_protoset, "127.0.0.1:2")

    secret.write_text("wrong\n")
    credentials = ("--username", "gateway", "--password-file", secret)
    refused = start_gateway(broker.url(base), pair, arguments=credentials, ready=False)
    assert "authori" in refused.expect("not connected").lower()
    assert refused.running, "the password may be put right at the broker: it tries again"
    assert refused.stop() == 0

    secret.write_text("open sesame\n")
    start_gateway(broker.url(base), pair, arguments=credentials)


def certificate(directory, name, issuer=None, subject="127.0.0.1"):
    """A key and a certificate, signed by `issuer` or by itself."""
    key, cert = directory / f"{name}.key", directory / f"{name}.crt"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-keyout", str(key), "-out", str(cert), "-subj", f"/CN={subject}"]
    if issuer:
        words += ["-CA", str(issuer[1]), "-CAkey", str(issuer[0])]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:false"]
    subprocess.run(words, check=True, capture_output=True)
    key.chmod(0o644)
    return key, cert


def test_tls_with_certificates_of_both(
    tmp_path, asking_broker, base, relay_protoset, start_gateway
):
    authority = certificate(tmp_path, "authority", subject="authority")
    broker_key, broker_cert = certificate(tmp_path, "broker", authority)
    our_key, our_cert = certificate(tmp_path, "gateway", authority, subject="gateway")
    broker = asking_broker(
        f"cafile {authority[1]}",
        f"certfile {broker_cert}",
        f"keyfile {broker_key}",
        "require_certificate true",
    )
    url = broker.url(base).replace("mqtt:", "mqtts:")
    pair = (relay_protoset, "127.0.0.1:2")
    ours = ("--cert", our_cert, "--key", our_key)
    start_gateway(url, pair, arguments=("--cafile", authority[1], *ours))
    start_gateway(url.replace(base, base + "2"), pair, arguments=("--insecure", *ours))
    untrusting = start_gateway(url, pair, arguments=ours, ready=False)
    assert "certificate" in untrusting.expect("not connected").lower()
    bare = start_gateway(url, pair, arguments=("--cafile", authority[1]), ready=False)
    bare.expect("not connected")


def test_mqtt_3(broker, base, relay_protoset, start_gateway, server):
    """No user properties, so no `i`: first in, first out."""
    start_gateway(broker.url(base, mqtt_version="3.1.1"), (relay_protoset, server.target))
    client = SessionClient(broker.port, base, mqtt.MQTTv311)
    try:
        assert client.call(R + "Echo", b"a" * 300_000).response().body == b"a" * 300_000
        _, elements, got = client.call(R + "Repeat", b"20 1000").stream()
        assert elements == [b"%d" % (i % 10) * 1000 for i in range(20)] and got.code == 0
    finally:
        client.close()


def test_two_sets_for_one_target(
    broker, base, relay_protoset, demo_protoset, start_gateway, server
):
    arguments = ("--descriptors", demo_protoset, "--descriptors", relay_protoset)
    gateway = start_gateway(
        broker.url(base), arguments=(*arguments, "--target", server.target), ready=False
    )
    assert f"22 methods, targets {server.target}" in gateway.expect("ready: ")
