"""Paho Python as a Client that is told by lines what to do (line.ts has their form), and says in lines what happened.

One Client at a time, as often as asked: `connect`, `subscribe`, `unsubscribe`, `publish`, `flush` (all of it has been
acknowledged), `disconnect`, `end`. Each is answered with `done` or `failed`; `message`, `ended` and `ping` come whenever
they happen. Paho 1.x and 2.x will do.
"""

import queue
import sys
import threading
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

DEADLINE_SECONDS = 20
PROTOCOLS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}

speaking = threading.Lock()


def say(verb, *fields):
    """Says one line. A field that is None is left out."""
    line = verb
    for name, value in fields:
        if value is None:
            continue
        value = value if isinstance(value, bytes) else str(int(value) if isinstance(value, bool) else value).encode()
        line += f" {name}={quote_from_bytes(value, safe='/')}"
    with speaking:
        print(line, flush=True)


class Fields:
    """The fields of a line that was read."""

    def __init__(self, fields):
        self.pairs = [(name, unquote_to_bytes(value)) for name, _, value in (field.partition("=") for field in fields)]

    def all(self, name):
        return [value.decode() for each, value in self.pairs if each == name]

    def bytes(self, name, otherwise=b""):
        return next((value for each, value in self.pairs if each == name), otherwise)

    def text(self, name):
        return next(iter(self.all(name)), None)

    def number(self, name, otherwise=0):
        return int(self.text(name) or otherwise)

    def properties(self, packet_type, names, numbers):
        """Properties of a packet from the fields that are there."""
        properties = Properties(packet_type)
        for field, name in names.items():
            if (value := self.text(field)) is not None:
                if field == "user":
                    value = [tuple(pair.split("=", 1)) for pair in self.all(field)]
                setattr(properties, name, value.encode() if field == "correlation" else value)
        for field, name in numbers.items():
            if self.text(field) is not None:
                setattr(properties, name, self.number(field))
        return properties


TEXTS = {
    "user": "UserProperty",
    "contentType": "ContentType",
    "responseTopic": "ResponseTopic",
    "correlation": "CorrelationData",
}
NUMBERS = {"expiry": "MessageExpiryInterval", "format": "PayloadFormatIndicator", "alias": "TopicAlias"}


class Client:
    """A connected Paho Client."""

    def __init__(self, fields):
        url = urlsplit(fields.text("url"))
        self.is_v5 = fields.text("version") == "5.0"
        clean = fields.number("clean") == 1
        options = {"client_id": fields.text("clientId"), "protocol": PROTOCOLS[fields.text("version")]}
        if not self.is_v5:
            options["clean_session"] = clean
        if hasattr(mqtt, "CallbackAPIVersion"):
            options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
        self.is_over = False
        self.aliases = {}
        self.published = []
        self.connected, self.subscribed, self.unsubscribed = queue.Queue(), queue.Queue(), queue.Queue()
        self.client = mqtt.Client(transport="websockets" if url.scheme == "ws" else "tcp", **options)
        if url.scheme == "ws":
            self.client.ws_set_options(path=url.path)
        self.client.on_message = lambda _c, _u, message: self.receive(message)
        self.client.on_subscribe = lambda *told: self.subscribed.put(told[3])
        self.client.on_unsubscribe = lambda *told: self.unsubscribed.put(told[2])
        self.client.on_connect = lambda *told: self.connected.put((told[2], told[3]))
        self.client.on_disconnect = self.note_end
        self.client.on_log = lambda _c, _u, _level, text: say("ping") if "PINGRESP" in text else None
        if (will := fields.text("willTopic")) is not None:
            self.client.will_set(will, fields.bytes("willPayload"), fields.number("willQos"))
        more = {}
        if self.is_v5:
            more["clean_start"] = clean
            names = {"sessionExpiry": "SessionExpiryInterval", "receiveMaximum": "ReceiveMaximum"}
            names["topicAliasMaximum"] = "TopicAliasMaximum"
            more["properties"] = fields.properties(PacketTypes.CONNECT, {}, names)
        self.client.connect(url.hostname, url.port, fields.number("keepAlive"), **more)
        self.client.loop_start()
        flags, code = self.connected.get(timeout=DEADLINE_SECONDS)
        if code_of(code) != 0:
            raise RuntimeError(f"refused with {code}")
        say("done", ("sessionPresent", flags["session present"]))

    def subscribe(self, fields):
        qos, identifier = fields.number("qos"), fields.text("identifier")
        if self.is_v5:
            properties = fields.properties(PacketTypes.SUBSCRIBE, {}, {"identifier": "SubscriptionIdentifier"})
            options = SubscribeOptions(qos=qos)
            self.client.subscribe(
                fields.text("filter"), options=options, properties=properties if identifier is not None else None
            )
        else:
            self.client.subscribe(fields.text("filter"), qos)
        say("done", ("granted", code_of(self.subscribed.get(timeout=DEADLINE_SECONDS)[0])))

    def unsubscribe(self, fields):
        self.client.unsubscribe(fields.text("filter"))
        self.unsubscribed.get(timeout=DEADLINE_SECONDS)
        say("done")

    def publish(self, fields):
        more = {"properties": fields.properties(PacketTypes.PUBLISH, TEXTS, NUMBERS)} if self.is_v5 else {}
        qos, retain = fields.number("qos"), fields.number("retain") == 1
        self.published.append(self.client.publish(fields.text("topic"), fields.bytes("payload"), qos, retain, **more))
        say("done")

    def flush(self, _fields):
        while self.published:
            info = self.published.pop(0)
            info.wait_for_publish(DEADLINE_SECONDS)
            if not info.is_published():
                raise RuntimeError("it was not acknowledged")
        say("done")

    def receive(self, message):
        fields = [("payload", message.payload), ("qos", message.qos), ("retain", bool(message.retain))]
        topic = message.topic
        if self.is_v5:
            properties = message.properties
            # Paho leaves it to the application to remember what an alias stands for.
            if (alias := getattr(properties, "TopicAlias", None)) is not None:
                topic = self.aliases.setdefault(alias, topic) if topic == "" else self.aliases.update({alias: topic}) or topic
            fields += [("user", f"{name}={value}") for name, value in getattr(properties, "UserProperty", [])]
            fields += [("identifier", each) for each in getattr(properties, "SubscriptionIdentifier", [])]
            names = {**TEXTS, **NUMBERS}
            del names["user"]
            fields += [(field, getattr(properties, name, None)) for field, name in names.items()]
        say("message", ("topic", topic), *fields)

    def note_end(self, *told):
        """Hears that the Network Connection is over. Told to disconnect then, Paho does not connect again."""
        if self.is_over:
            return
        self.is_over = True
        self.client.disconnect()
        code = code_of(told[2])
        say("ended", ("reason", code if code is not None and code >= 0x80 else None))

    def disconnect(self, _fields=None):
        self.is_over = True
        self.client.disconnect()
        self.client.loop_stop()
        say("done")


def code_of(code):
    """The number of a Reason Code, which Paho has as a number or an object."""
    return getattr(code, "value", code)


current = None
for line in sys.stdin:
    verb, *words = line.rstrip("\n").split(" ")
    try:
        if verb == "connect":
            current = Client(Fields(words))
        else:
            getattr(current, {"end": "disconnect"}.get(verb, verb))(Fields(words))
    except Exception as error:  # whatever it was, who asked wants to know
        say("failed", ("why", repr(error)))
