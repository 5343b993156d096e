"""Sinks: a real broker, a real web server and real programs are told, and may be down meanwhile."""

import json
import logging
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from demanded import give_up

from ssmtl.core.errors import InputError
from ssmtl.watching import sinks
from ssmtl.watching.alerts import BEGIN, END, Alert
from ssmtl.watching.sinks import Apprise, Command, Mqtt, Outbox, Outboxes

JPEG = b"\xff\xd8 a picture \xff\xd9"
PATIENCE = 30


def alert(kind=BEGIN, number=1) -> Alert:
    return Alert(kind, {"event": number, "score": 0.7}, "a person, moving unusually", JPEG)


def wait_for(done, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class Failing:
    """A sink that is down for its first attempts."""

    name = "failing"

    def __init__(self, failures: int):
        self.failures, self.sent, self.closed = failures, [], False

    def send(self, alert: Alert) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError(111, "mqtt://user:secret@host")
        self.sent.append(alert)

    def close(self) -> None:
        self.closed = True


def test_a_sink_that_is_down_is_tried_again(caplog):
    sink = Failing(3)
    box = Outbox(sink, first_pause=0.01)
    with caplog.at_level(logging.INFO):
        for number in range(3):
            box.put(alert(number=number))
        wait_for(lambda: len(sink.sent) == 3, "three alerts")
        box.close()
    assert [a.event["event"] for a in sink.sent] == [0, 1, 2] and sink.closed
    assert caplog.text.count("not reached") == 1 and "reached again" in caplog.text
    assert "secret" not in caplog.text


def test_a_sink_that_stays_down_delays_nothing_and_holds_little(caplog):
    sink = Failing(10**9)
    box = Outbox(sink, waiting=5, first_pause=0.01)
    start = time.monotonic()
    for number in range(2000):
        box.put(alert(number=number))
    assert time.monotonic() - start < 5
    assert box.queue.qsize() <= 5
    box.close(patience=0.1)
    assert "alerts were not sent" in caplog.text and not box.thread.is_alive()


def test_an_alert_that_comes_as_the_queue_is_found_empty_is_sent(monkeypatch):
    sink, boxes, raced = Failing(0), [], threading.Event()

    class Raced(queue.Queue):
        """Something is put as soon as somebody has found nothing, and then the outbox closes."""

        def get(self, *arguments, **options):
            if raced.is_set():
                boxes[0].stopped.wait(0.3)
            try:
                return super().get(*arguments, **options)
            except queue.Empty:
                if boxes and not raced.is_set():
                    boxes[0].put(alert())
                    raced.set()
                raise

    monkeypatch.setattr(sinks.queue, "Queue", Raced)
    box = Outbox(sink)
    boxes.append(box)
    assert raced.wait(PATIENCE)
    box.close()
    assert len(sink.sent) == 1


def test_a_command_gets_all_there_is(tmp_path):
    script = tmp_path / "told.py"
    script.write_text(
        "import json, os, sys\n"
        "told = {k: v for k, v in os.environ.items() if k.startswith('SSMTL_')}\n"
        "told['picture'] = open(told['SSMTL_SNAPSHOT'], 'rb').read().hex()\n"
        "told['input'] = json.load(sys.stdin)\n"
        f"open({str(tmp_path / 'said')!r}, 'w').write(json.dumps(told))\n"
    )
    Command(f"{sys.executable} {script}").send(alert())
    told = json.loads((tmp_path / "said").read_text())
    assert bytes.fromhex(told["picture"]) == JPEG and not os.path.exists(told["SSMTL_SNAPSHOT"])
    assert told["input"]["event"] == {"event": 1, "score": 0.7} and told["SSMTL_KIND"] == BEGIN
    assert told["SSMTL_SENTENCE"] == "a person, moving unusually"


def test_no_shell_reads_the_command(tmp_path):
    Command(f"echo $(touch {tmp_path}/ran); touch {tmp_path}/ran").send(alert())
    assert not (tmp_path / "ran").exists()
    with pytest.raises(subprocess.CalledProcessError):
        Command("false").send(alert())
    with pytest.raises(InputError, match="no command"):
        Command("  ")


@pytest.fixture
def broker(tmp_path):
    """Starts and stops Debian's mosquitto on a free port: `broker(True)`, `broker(False)`."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        give_up("mosquitto", "no mosquitto: apt-get install mosquitto")
    pytest.importorskip("paho.mqtt.client")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    running = []

    def switch(on: bool) -> int:
        if on:
            running.append(subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL))
            wait_for(lambda: reachable(port), "the broker starts")
        elif running:
            running[-1].terminate()
            running.pop().wait(PATIENCE)
        return port

    yield switch
    switch(False)


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def subscriber(port: int) -> tuple:
    """A client that keeps all messages of a broker: (client, {topic: [payloads]})."""
    import paho.mqtt.client as paho

    found: dict[str, list[bytes]] = {}
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda c, u, m: found.setdefault(m.topic, []).append(m.payload)
    client.on_connect = lambda c, *_: c.subscribe("#", qos=1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client, found


def test_mqtt_tells_home_assistant_and_outlives_the_broker(broker):
    port = broker(True)
    client, found = subscriber(port)
    with Outboxes([Mqtt(f"mqtt://127.0.0.1:{port}", "front gate")]) as boxes:
        topic = "ssmtl/front_gate"
        wait_for(lambda: f"{topic}/status" in found, "the camera is announced")
        boxes.put(alert())
        wait_for(lambda: f"{topic}/snapshot" in found, "the first alert")
        broker(False)
        boxes.put(alert(END))
        broker(True)
        wait_for(lambda: b"OFF" in found.get(f"{topic}/anomaly", []), "the alert after the break")
    client.loop_stop()
    config = json.loads(found["homeassistant/binary_sensor/ssmtl_front_gate/config"][0])
    assert config["state_topic"] == f"{topic}/anomaly" and config["device"]["name"] == "front gate"
    assert found[f"{topic}/snapshot"][0] == JPEG and found[f"{topic}/anomaly"][0] == b"ON"
    assert json.loads(found[f"{topic}/event"][0])["event"]["event"] == 1
    assert found[f"{topic}/status"][-1] == b"offline"


def test_a_webhook_is_told_by_apprise():
    pytest.importorskip("apprise")
    told: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Outboxes([Apprise(f"json://127.0.0.1:{server.server_port}")]) as boxes:
            boxes.put(alert())
            wait_for(lambda: told, "the webhook is called")
        server.shutdown()
    said = json.loads(told[0])
    assert said["message"] == "a person, moving unusually" and said["title"] == "Unusual"
    assert said["attachments"]


@pytest.mark.parametrize("address", ["http://host", "mqtt://", "host:1883"])
def test_what_is_no_broker_is_refused(address):
    pytest.importorskip("paho.mqtt.client")
    with pytest.raises(InputError, match="--mqtt"):
        Mqtt(address, "gate")


def test_what_apprise_does_not_know_is_refused_without_its_secret():
    pytest.importorskip("apprise")
    with pytest.raises(InputError, match="no such address") as error:
        Apprise("carrierpigeon://token-of-mine@coop")
    assert "token-of-mine" not in str(error.value)
