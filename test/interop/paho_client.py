"""One conversation of Paho Python with the broker: every QoS, retained, a Session that was away.

Arguments: host, port, version (3.1, 3.1.1 or 5.0), a prefix for topics and Client Identifiers.
Prints a JSON object of what it received. Paho 1.x and 2.x will do.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt

HOST, PORT, VERSION, PREFIX = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PROTOCOL = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}[VERSION]
DEADLINE_SECONDS = 8


class Client:
    """A connected Paho client, and queues of what it was told."""

    def __init__(self, name, lasting=False):
        options = {"client_id": f"{PREFIX}-{name}", "protocol": PROTOCOL}
        if PROTOCOL != mqtt.MQTTv5:
            options["clean_session"] = not lasting
        if hasattr(mqtt, "CallbackAPIVersion"):
            options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
        self.messages = queue.Queue()
        self.subscribed = queue.Queue()
        self.connected = queue.Queue()
        self.client = mqtt.Client(**options)
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = lambda *told: self.subscribed.put(told[3])
        self.client.on_connect = lambda *told: self.connected.put(told[3])
        more = {}
        if PROTOCOL == mqtt.MQTTv5:
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            more["clean_start"] = not lasting
            more["properties"] = Properties(PacketTypes.CONNECT)
            more["properties"].SessionExpiryInterval = 60 if lasting else 0
        self.client.connect(HOST, PORT, keepalive=30, **more)
        self.client.loop_start()
        if int(getattr(code := self.connected.get(timeout=DEADLINE_SECONDS), "value", code)) != 0:
            raise SystemExit(f"refused with {code}")

    def subscribe(self, topic_filter, qos):
        self.client.subscribe(topic_filter, qos)
        return self.subscribed.get(timeout=DEADLINE_SECONDS)

    def publish(self, topic, payload, qos, retain=False):
        info = self.client.publish(topic, payload, qos, retain)
        info.wait_for_publish(DEADLINE_SECONDS)
        if not info.is_published():
            raise SystemExit(f"{topic} was not acknowledged")

    def receive(self, count):
        messages = [self.messages.get(timeout=DEADLINE_SECONDS) for _ in range(count)]
        return [[m.topic.removeprefix(PREFIX), m.payload.decode(), m.qos, bool(m.retain)] for m in messages]

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


report = {}

talker = Client("talker")
talker.subscribe(f"{PREFIX}/live/+", 2)
for qos in (0, 1, 2):
    talker.publish(f"{PREFIX}/live/{qos}", f"at {qos}", qos)
report["live"] = talker.receive(3)

talker.publish(f"{PREFIX}/kept", "kept", 1, retain=True)
late = Client("late")
late.subscribe(f"{PREFIX}/kept", 1)
report["retained"] = late.receive(1)
late.end()

away = Client("away", lasting=True)
away.subscribe(f"{PREFIX}/queue", 2)
away.end()
for number in range(3):
    talker.publish(f"{PREFIX}/queue", str(number), 2)
back = Client("away", lasting=True)
report["queued"] = back.receive(3)
back.end()
talker.end()

print(json.dumps(report))
