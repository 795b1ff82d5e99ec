/*
 * One conversation of Paho C with the broker: every QoS, retained, a Session that was away.
 *
 * Arguments: broker as tcp://host:port, version (3 for 3.1, 4 for 3.1.1, 5 for 5.0), a prefix for topics and Client
 * Identifiers. Prints a line "topic payload qos retained" for each message.
 */

#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 8000

static const char *address, *prefix;
static int version;

static void check(int code, const char *what) {
  if (code == MQTTCLIENT_SUCCESS) return;
  fprintf(stderr, "%s: %d\n", what, code);
  exit(1);
}

static const char *name(const char *suffix) {
  static char text[4][256];
  static int next = 0;
  char *place = text[next++ % 4];
  snprintf(place, sizeof text[0], "%s%s", prefix, suffix);
  return place;
}

static MQTTClient connect_client(const char *suffix, int lasting) {
  MQTTClient client;
  MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
  MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
  MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
  create.MQTTVersion = version;
  check(MQTTClient_createWithOptions(&client, address, name(suffix), MQTTCLIENT_PERSISTENCE_NONE, NULL, &create), "create");
  if (version == MQTTVERSION_5) {
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry;
    expiry.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
    expiry.value.integer4 = lasting ? 60 : 0;
    MQTTProperties_add(&properties, &expiry);
    options5.cleanstart = !lasting;
    MQTTResponse response = MQTTClient_connect5(client, &options5, &properties, NULL);
    check(response.reasonCode, "connect");
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
  } else {
    options.MQTTVersion = version;
    options.cleansession = !lasting;
    check(MQTTClient_connect(client, &options), "connect");
  }
  return client;
}

static void subscribe(MQTTClient client, const char *filter, int qos) {
  if (version == MQTTVERSION_5) {
    MQTTResponse response = MQTTClient_subscribe5(client, filter, qos, NULL, NULL);
    if (response.reasonCode != (enum MQTTReasonCodes)qos) check(-1, "subscribe");
    MQTTResponse_free(response);
  } else {
    check(MQTTClient_subscribe(client, filter, qos), "subscribe");
  }
}

static void publish(MQTTClient client, const char *topic, const char *payload, int qos, int retained) {
  MQTTClient_deliveryToken token;
  if (version == MQTTVERSION_5) {
    MQTTResponse response = MQTTClient_publish5(client, topic, (int)strlen(payload), payload, qos, retained, NULL, &token);
    check(response.reasonCode, "publish");
    MQTTResponse_free(response);
  } else {
    check(MQTTClient_publish(client, topic, (int)strlen(payload), payload, qos, retained, &token), "publish");
  }
  if (qos > 0) check(MQTTClient_waitForCompletion(client, token, DEADLINE_MS), "completion");
}

static void receive(MQTTClient client, int count) {
  for (int index = 0; index < count; index++) {
    char *topic = NULL;
    int length;
    MQTTClient_message *message = NULL;
    int code = MQTTClient_receive(client, &topic, &length, &message, DEADLINE_MS);
    if (message == NULL) check(code == 0 ? -1 : code, "receive");
    printf("%s %.*s %d %d\n", topic + strlen(prefix), message->payloadlen, (char *)message->payload, message->qos, message->retained);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
  }
}

static void end(MQTTClient *client) {
  if (version == MQTTVERSION_5) MQTTClient_disconnect5(*client, 1000, MQTTREASONCODE_SUCCESS, NULL);
  else MQTTClient_disconnect(*client, 1000);
  MQTTClient_destroy(client);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  address = argv[1];
  version = atoi(argv[2]);
  prefix = argv[3];

  MQTTClient talker = connect_client("-talker", 0);
  subscribe(talker, name("/live/+"), 2);
  publish(talker, name("/live/0"), "zero", 0, 0);
  publish(talker, name("/live/1"), "one", 1, 0);
  publish(talker, name("/live/2"), "two", 2, 0);
  receive(talker, 3);

  publish(talker, name("/kept"), "kept", 1, 1);
  MQTTClient late = connect_client("-late", 0);
  subscribe(late, name("/kept"), 1);
  receive(late, 1);
  end(&late);

  MQTTClient away = connect_client("-away", 1);
  subscribe(away, name("/queue"), 2);
  end(&away);
  publish(talker, name("/queue"), "first", 2, 0);
  publish(talker, name("/queue"), "second", 2, 0);
  MQTTClient back = connect_client("-away", 1);
  receive(back, 2);
  end(&back);
  end(&talker);
  return 0;
}
