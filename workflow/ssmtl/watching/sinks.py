"""Who is told of an event, when it begins and when it ends: a command, MQTT, or Apprise's services.

A sink that is down never delays the stream: each has a thread and a bounded queue of its own, tries
again with growing pauses, and says so once. paho-mqtt and Apprise are the extra `notify`.
"""

import json
import logging
import os
import queue
import re
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ssmtl.core.errors import InputError
from ssmtl.watching.address import secret
from ssmtl.watching.alerts import BEGIN, Alert

log = logging.getLogger(__name__)

WAITING = 1000  # alerts that wait for a sink at most; then the oldest is given up
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts
PATIENCE = 5.0  # seconds that the end of watching waits for what is still to be sent
TIMEOUT = 30.0  # seconds that one attempt may take


class Sink(Protocol):
    """Where alerts go. `send` returns once an alert is there, and raises where it is not; `beat`
    takes what the heartbeat says, and never waits."""

    name: str  # shown in lines; without user names, passwords and tokens

    def send(self, alert: Alert) -> None: ...

    def beat(self, state: dict) -> None: ...

    def close(self) -> None: ...


class Outbox:
    """A sink's queue and thread: `put` never waits and never raises."""

    def __init__(self, sink: Sink, waiting: int = WAITING, first_pause: float = FIRST_PAUSE):
        self.sink, self.first_pause, self.given_up = sink, first_pause, 0
        self.queue: queue.Queue[Alert] = queue.Queue(waiting)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name=sink.name, daemon=True)
        self.thread.start()

    def put(self, alert: Alert) -> None:
        while True:
            try:
                return self.queue.put_nowait(alert)
            except queue.Full:
                try:
                    self.queue.get_nowait()
                except queue.Empty:
                    continue
                self.queue.task_done()
                self.given_up += 1
                if self.given_up == 1:
                    log.warning(
                        "%s: %d alerts wait, so the oldest go",
                        *(self.sink.name, self.queue.maxsize),
                    )

    def _run(self) -> None:
        while not self.stopped.is_set():
            try:
                alert = self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if self._deliver(alert):
                self.queue.task_done()

    def _deliver(self, alert: Alert) -> bool:
        """Tries until the alert is there, or the outbox closes; whether it is there."""
        pause, failed = self.first_pause, False
        while not self.stopped.is_set():
            try:
                self.sink.send(alert)
            except Exception as error:  # whatever a sink raises may not end watching
                if not failed:
                    log.warning("%s: not reached (%s); trying again", self.sink.name, brief(error))
                failed = True
                self.stopped.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if failed:
                log.info("%s: reached again", self.sink.name)
            return True
        return False

    def close(self, patience: float = PATIENCE) -> None:
        """Ends after what waits is sent, or after `patience` seconds with a line about the rest."""
        waiting = self.queue.all_tasks_done  # as `Queue.join` waits, but no longer than this
        with waiting:
            waiting.wait_for(lambda: not self.queue.unfinished_tasks, patience)
        self.stopped.set()
        self.thread.join(patience)
        if left := self.queue.unfinished_tasks + self.given_up:
            log.warning("%s: %d alerts were not sent", self.sink.name, left)
        try:
            self.sink.close()
        except Exception as error:
            log.warning("%s: %s", self.sink.name, brief(error))


def brief(error: Exception) -> str:
    """An error's kind, and its number where it has one: texts may hold addresses and tokens."""
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}{f', {os.strerror(number)}' if number else ''}"


class Command:
    """A program that is run for every alert.

    It gets the alert as JSON on standard input, and its parts as SSMTL_KIND, SSMTL_SENTENCE,
    SSMTL_CLIP and SSMTL_SNAPSHOT, the path of a JPEG file that is gone when the program ends. No
    shell is involved.
    """

    def __init__(self, command: str):
        self.words = shlex.split(command)
        if not self.words:
            raise InputError("--on-event: no command; name a program")
        self.name = f"command {Path(self.words[0]).name}"

    def send(self, alert: Alert) -> None:
        with tempfile.TemporaryDirectory(prefix="ssmtl-") as folder:
            snapshot = Path(folder) / "snapshot.jpg"
            snapshot.write_bytes(alert.snapshot)
            parts = {
                "SSMTL_KIND": alert.kind,
                "SSMTL_SENTENCE": alert.sentence,
                "SSMTL_CLIP": str(alert.clip or ""),
                "SSMTL_SNAPSHOT": str(snapshot),
            }
            subprocess.run(
                self.words,
                input=alert.text().encode(),
                env=os.environ | parts,
                check=True,
                timeout=TIMEOUT,
            )

    def beat(self, state: dict) -> None:
        pass

    def close(self) -> None:
        pass


class Mqtt:
    """A broker, with what Home Assistant needs to find the camera by itself.

    address: `mqtt://user:password@host:port` or `mqtts://...`. Topics, with the camera's name as
    one word: `ssmtl/CAMERA/anomaly` (ON while an event goes on), `/event` (JSON), `/snapshot`
    (JPEG), `/state` (the heartbeat, JSON), and `/status` (online or offline, by the broker itself
    where watching dies).
    """

    def __init__(self, address: str, camera: str, discovery: str = "homeassistant"):
        import paho.mqtt.client as paho  # of the extra `notify`
        from paho.mqtt.enums import CallbackAPIVersion

        parts = urlsplit(address)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise InputError("--mqtt: give mqtt://[user:password@]host[:port], or mqtts://")
        self.word = re.sub(r"[^A-Za-z0-9_-]+", "_", camera) or "camera"
        self.topic = f"ssmtl/{self.word}"
        self.camera, self.discovery = camera, discovery
        self.name = f"{parts.scheme}://{parts.hostname}"
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if parts.username:
            self.client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self.client.tls_set()
        self.client.will_set(f"{self.topic}/status", "offline", qos=1, retain=True)
        self.client.on_connect = self._connected
        default = 8883 if parts.scheme == "mqtts" else 1883
        self.client.connect_async(parts.hostname, parts.port or default, keepalive=30)
        self.client.reconnect_delay_set(1, 30)
        self.client.loop_start()

    def _connected(self, client, userdata, flags, reason, properties) -> None:
        """Announces the camera, each time that the broker is reached."""
        if reason.is_failure:
            log.warning("%s: refused (%s)", self.name, reason)
            return
        for kind, config in self.entities().items():
            topic = f"{self.discovery}/{kind}/ssmtl_{self.word}/config"
            client.publish(topic, json.dumps(config), qos=1, retain=True)
        client.publish(f"{self.topic}/status", "online", qos=1, retain=True)

    def entities(self) -> dict[str, dict]:
        """Home Assistant's configuration of the camera's entities, by their kind."""
        common = {
            "availability_topic": f"{self.topic}/status",
            "device": {
                "identifiers": [f"ssmtl_{self.word}"],
                "name": self.camera,
                "manufacturer": "ssmtl",
                "model": "anomaly detection",
            },
        }
        return {
            "binary_sensor": common
            | {
                "name": "Anomaly",
                "unique_id": f"ssmtl_{self.word}_anomaly",
                "device_class": "motion",
                "state_topic": f"{self.topic}/anomaly",
                "json_attributes_topic": f"{self.topic}/event",
            },
            "image": common
            | {
                "name": "Last anomaly",
                "unique_id": f"ssmtl_{self.word}_snapshot",
                "image_topic": f"{self.topic}/snapshot",
                "content_type": "image/jpeg",
            },
        }

    def send(self, alert: Alert) -> None:
        if not self.client.is_connected():
            raise ConnectionError
        state = "ON" if alert.kind == BEGIN else "OFF"
        sent = [
            self.client.publish(f"{self.topic}/event", alert.text(), qos=1),
            self.client.publish(f"{self.topic}/anomaly", state, qos=1, retain=True),
        ]
        if alert.snapshot:
            sent.append(self.client.publish(f"{self.topic}/snapshot", alert.snapshot, qos=1))
        end = time.monotonic() + TIMEOUT
        for message in sent:
            message.wait_for_publish(max(0.0, end - time.monotonic()))
            if not message.is_published():
                raise TimeoutError

    def beat(self, state: dict) -> None:
        if self.client.is_connected():
            self.client.publish(f"{self.topic}/state", json.dumps(state))

    def close(self) -> None:
        if self.client.is_connected():
            last = self.client.publish(f"{self.topic}/status", "offline", qos=1, retain=True)
            last.wait_for_publish(PATIENCE)
        self.client.disconnect()
        self.client.loop_stop()


class Apprise:
    """Mail, webhooks, Telegram and whatever else Apprise has an address for."""

    def __init__(self, address: str):
        import apprise  # of the extra `notify`

        # Its own lines name addresses; what they say is said here.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        self.sender = apprise.Apprise()
        if not self.sender.add(address):
            scheme = address.partition(":")[0][:20]
            raise InputError(
                f"--notify: Apprise knows no such address ({scheme}:...); see its list"
            )
        self.name = f"{address.partition(':')[0]} by Apprise"

    def send(self, alert: Alert) -> None:
        with tempfile.TemporaryDirectory(prefix="ssmtl-") as folder:
            snapshot = Path(folder) / "snapshot.jpg"
            snapshot.write_bytes(alert.snapshot)
            attached = str(snapshot) if alert.snapshot else None
            title = "Unusual" if alert.kind == BEGIN else "Usual again"
            if not self.sender.notify(body=alert.sentence, title=title, attach=attached):
                raise ConnectionError

    def beat(self, state: dict) -> None:
        pass

    def close(self) -> None:
        pass


def sinks_of(
    camera: str,
    on_event: str | None,
    mqtt: str | None,
    notify: Iterable[str],
    listed: bool = True,
) -> list[Sink]:
    """The sinks of a camera. on_event: a command; mqtt, notify: addresses, or where they are kept,
    `env:NAME` or `file:PATH`; listed: whether they stand on a command line.

    Raises InputError for an address that is none, and without the packages that it needs.
    """
    try:
        sinks: list[Sink] = [Command(on_event)] if on_event else []
        sinks += [Apprise(secret(address, "--notify" if listed else None)) for address in notify]
        if mqtt:
            sinks.append(Mqtt(secret(mqtt, "--mqtt" if listed else None), camera))
    except ImportError as error:
        raise InputError(
            f"{error.name} is not installed, which alerts by MQTT or Apprise need; "
            "pip install 'ssmtl[notify]'"
        ) from error
    return sinks


class Outboxes:
    """All sinks of a stream; use as a context manager."""

    def __init__(self, sinks: Iterable[Sink]):
        self.boxes = [Outbox(sink) for sink in sinks]

    def put(self, alert: Alert) -> None:
        for box in self.boxes:
            box.put(alert)

    def beat(self, state: dict) -> None:
        for box in self.boxes:
            box.sink.beat(state)

    @property
    def waiting(self) -> int:
        """Alerts that are not sent yet."""
        return sum(box.queue.qsize() for box in self.boxes)

    def __enter__(self) -> "Outboxes":
        return self

    def __exit__(self, *_) -> None:
        for box in self.boxes:
            box.close()
