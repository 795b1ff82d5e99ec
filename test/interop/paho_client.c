/*
 * Paho C as a Client that is told by lines what to do (line.ts has their form), and says in lines what happened.
 *
 * One Client at a time, as often as asked: `connect`, `subscribe`, `unsubscribe`, `publish`, `flush` (all of it has been
 * acknowledged), `disconnect`, `end`. Each is answered with `done` or `failed`; `message`, `ended` and `ping` come
 * whenever they happen, from Paho's own thread.
 */

#include <MQTTClient.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEADLINE_SECONDS 20
#define FIELDS_MAX 64
#define ALIAS_MAX 16

/* A field of a line: its value may hold any bytes, and a zero behind them. */
typedef struct {
  const char *name;
  char *value;
  int length;
} Field;

static Field fields[FIELDS_MAX];
static int field_count;

static MQTTClient client;
static int version;
static char *aliases[ALIAS_MAX + 1];
static pthread_mutex_t speaking = PTHREAD_MUTEX_INITIALIZER;
static sem_t completed;

/* Reads. */

static int hex(char digit) { return digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10; }

static int decode(char *text) {
  char *to = text;
  for (char *from = text; *from != 0; from++) {
    if (*from == '%') {
      *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
      from += 2;
    } else {
      *to++ = *from;
    }
  }
  *to = 0;
  return (int)(to - text);
}

static void read_fields(char *rest) {
  field_count = 0;
  for (char *word = strtok(rest, " "); word != NULL && field_count < FIELDS_MAX; word = strtok(NULL, " ")) {
    char *value = strchr(word, '=');
    if (value == NULL) continue;
    *value++ = 0;
    fields[field_count++] = (Field){word, value, decode(value)};
  }
}

static const Field *field(const char *name) {
  for (int i = 0; i < field_count; i++) {
    if (strcmp(fields[i].name, name) == 0) return &fields[i];
  }
  return NULL;
}

static char *text(const char *name) {
  const Field *found = field(name);
  return found == NULL ? NULL : found->value;
}

static int version_asked(void) {
  const char *name = text("version");
  if (strcmp(name, "3.1") == 0) return MQTTVERSION_3_1;
  return strcmp(name, "3.1.1") == 0 ? MQTTVERSION_3_1_1 : MQTTVERSION_5;
}

static int number(const char *name) {
  const char *found = text(name);
  return found == NULL ? 0 : atoi(found);
}

/* Says. Whoever says several pieces of a line holds `speaking`. */

static void say_bytes(const char *name, const char *bytes, int length) {
  printf(" %s=", name);
  for (int i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '/' || byte == '-') putchar(byte);
    else printf("%%%02x", byte);
  }
}

static void say(const char *line) {
  pthread_mutex_lock(&speaking);
  puts(line);
  fflush(stdout);
  pthread_mutex_unlock(&speaking);
}

static void say_number(const char *what, int value) {
  char line[64];
  snprintf(line, sizeof line, "%s=%d", what, value);
  say(line);
}

/* Properties, from fields and to them. */

static const struct {
  const char *name;
  enum MQTTPropertyCodes identifier;
} known[] = {
    {"user", MQTTPROPERTY_CODE_USER_PROPERTY},
    {"contentType", MQTTPROPERTY_CODE_CONTENT_TYPE},
    {"responseTopic", MQTTPROPERTY_CODE_RESPONSE_TOPIC},
    {"correlation", MQTTPROPERTY_CODE_CORRELATION_DATA},
    {"expiry", MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL},
    {"format", MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR},
    {"alias", MQTTPROPERTY_CODE_TOPIC_ALIAS},
    {"identifier", MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER},
    {"sessionExpiry", MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL},
    {"receiveMaximum", MQTTPROPERTY_CODE_RECEIVE_MAXIMUM},
    {"topicAliasMaximum", MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM},
};

#define KNOWN ((int)(sizeof known / sizeof known[0]))

/* Every field of the line that names a property. */
static MQTTProperties asked_properties(void) {
  MQTTProperties properties = MQTTProperties_initializer;
  for (int i = 0; i < field_count; i++) {
    for (int k = 0; k < KNOWN; k++) {
      if (strcmp(fields[i].name, known[k].name) != 0) continue;
      MQTTProperty property = {.identifier = known[k].identifier};
      char *value = fields[i].value;
      switch (MQTTProperty_getType(known[k].identifier)) {
        case MQTTPROPERTY_TYPE_BYTE: property.value.byte = (unsigned char)atoi(value); break;
        case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER: property.value.integer2 = (unsigned short)atoi(value); break;
        case MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER:
        case MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER: property.value.integer4 = (unsigned)atoi(value); break;
        case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR: {
          char *equals = strchr(value, '=');
          if (equals == NULL) continue;
          property.value.data = (MQTTLenString){(int)(equals - value), value};
          property.value.value = (MQTTLenString){fields[i].length - (int)(equals - value) - 1, equals + 1};
          break;
        }
        default: property.value.data = (MQTTLenString){fields[i].length, value};
      }
      MQTTProperties_add(&properties, &property);
    }
  }
  return properties;
}

static void say_properties(const MQTTProperties *properties) {
  for (int i = 0; i < properties->count; i++) {
    const MQTTProperty *property = &properties->array[i];
    for (int k = 0; k < KNOWN; k++) {
      if (known[k].identifier != property->identifier) continue;
      const char *name = known[k].name;
      MQTTLenString data = property->value.data, value = property->value.value;
      switch (MQTTProperty_getType(property->identifier)) {
        case MQTTPROPERTY_TYPE_BYTE: printf(" %s=%d", name, property->value.byte); break;
        case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER: printf(" %s=%d", name, property->value.integer2); break;
        case MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER:
        case MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER: printf(" %s=%u", name, property->value.integer4); break;
        case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR: {
          char pair[512];
          int length = snprintf(pair, sizeof pair, "%.*s=%.*s", data.len, data.data, value.len, value.data);
          say_bytes(name, pair, length < (int)sizeof pair ? length : (int)sizeof pair - 1);
          break;
        }
        default: say_bytes(name, data.data, data.len);
      }
    }
  }
}

/* What happens by itself. */

/* Paho leaves it to the application to remember what an alias stands for. */
static const char *unaliased(const char *topic, const MQTTProperties *properties) {
  int alias = MQTTProperties_getNumericValue((MQTTProperties *)properties, MQTTPROPERTY_CODE_TOPIC_ALIAS);
  if (alias < 1 || alias > ALIAS_MAX) return topic;
  if (*topic == 0) return aliases[alias] == NULL ? topic : aliases[alias];
  free(aliases[alias]);
  return aliases[alias] = strdup(topic);
}

static int message_arrived(void *context, char *topic, int length, MQTTClient_message *message) {
  (void)context, (void)length;
  pthread_mutex_lock(&speaking);
  const char *name = version == MQTTVERSION_5 ? unaliased(topic, &message->properties) : topic;
  printf("message qos=%d retain=%d", message->qos, message->retained);
  say_bytes("topic", name, (int)strlen(name));
  say_bytes("payload", message->payload, message->payloadlen);
  if (version == MQTTVERSION_5) say_properties(&message->properties);
  putchar('\n');
  fflush(stdout);
  pthread_mutex_unlock(&speaking);
  MQTTClient_freeMessage(&message);
  MQTTClient_free(topic);
  return 1;
}

/* Hears the DISCONNECT of the Server, which 5.0 has; the loss of the connection comes after it. */
static void disconnected(void *context, MQTTProperties *properties, enum MQTTReasonCodes code) {
  (void)context, (void)properties;
  say_number("ended reason", code);
}

static void connection_lost(void *context, char *cause) {
  (void)context, (void)cause;
  say("ended");
}

/* The last answer to a PUBLISH has come. Paho's own wait for it looks ten times a second only. */
static void delivered(void *context, MQTTClient_deliveryToken token) {
  (void)context, (void)token;
  sem_post(&completed);
}

static void published(void *context, int token, int type, MQTTProperties *properties, enum MQTTReasonCodes code) {
  (void)type, (void)properties, (void)code;
  delivered(context, token);
}

static int wait_for_completion(void) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += DEADLINE_SECONDS;
  return sem_timedwait(&completed, &deadline);
}

static void traced(enum MQTTCLIENT_TRACE_LEVELS level, char *line) {
  (void)level;
  if (strstr(line, "<- PINGRESP") != NULL) say("ping");
}

/* What it is told to do: each says `done`, or returns why not. */

static int do_connect(void) {
  const char *url = text("url");
  int is_websocket = strncmp(url, "ws:", 3) == 0;
  int is_v5 = (version = version_asked()) == MQTTVERSION_5;
  char address[256];
  snprintf(address, sizeof address, "%s%s", is_websocket ? "" : "tcp", is_websocket ? url : strchr(url, ':'));
  MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
  create.MQTTVersion = version;
  int code = MQTTClient_createWithOptions(&client, address, text("clientId"), MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
  if (code != MQTTCLIENT_SUCCESS) return code;
  MQTTClient_setCallbacks(client, NULL, connection_lost, message_arrived, delivered);
  if (is_v5) MQTTClient_setDisconnected(client, NULL, disconnected);
  if (is_v5) MQTTClient_setPublished(client, NULL, published);
  sem_init(&completed, 0, 0);

  MQTTClient_connectOptions old = MQTTClient_connectOptions_initializer, old_ws = MQTTClient_connectOptions_initializer_ws;
  MQTTClient_connectOptions v5 = MQTTClient_connectOptions_initializer5, v5_ws = MQTTClient_connectOptions_initializer5_ws;
  MQTTClient_connectOptions options = is_v5 ? (is_websocket ? v5_ws : v5) : (is_websocket ? old_ws : old);
  options.keepAliveInterval = number("keepAlive");
  options.MQTTVersion = version;
  if (is_v5) options.cleanstart = number("clean");
  else options.cleansession = number("clean");
  MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
  if (text("willTopic") != NULL) {
    will.topicName = text("willTopic");
    will.message = text("willPayload");
    will.qos = number("willQos");
    options.will = &will;
  }
  if (is_v5) {
    MQTTProperties properties = asked_properties(), none = MQTTProperties_initializer;
    MQTTResponse response = MQTTClient_connect5(client, &options, &properties, &none);
    code = (int)response.reasonCode;
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
  } else {
    code = MQTTClient_connect(client, &options);
  }
  if (code != MQTTCLIENT_SUCCESS) return code;
  /* In 5.0 it keeps to itself whether there was a Session. */
  if (is_v5) say("done");
  else say_number("done sessionPresent", options.returned.sessionPresent);
  return 0;
}

static int do_subscribe(void) {
  int qos = number("qos");
  if (version != MQTTVERSION_5) {
    int code = MQTTClient_subscribe(client, text("filter"), qos);
    if (code != MQTTCLIENT_SUCCESS) return code;
    say_number("done granted", qos);
    return 0;
  }
  MQTTProperties properties = asked_properties();
  MQTTResponse response = MQTTClient_subscribe5(client, text("filter"), qos, NULL, &properties);
  say_number("done granted", (int)response.reasonCode);
  MQTTResponse_free(response);
  MQTTProperties_free(&properties);
  return 0;
}

static int do_unsubscribe(void) {
  int code;
  if (version == MQTTVERSION_5) {
    MQTTResponse response = MQTTClient_unsubscribe5(client, text("filter"), NULL);
    code = (int)response.reasonCode;
    MQTTResponse_free(response);
  } else {
    code = MQTTClient_unsubscribe(client, text("filter"));
  }
  if (code != MQTTCLIENT_SUCCESS) return code;
  say("done");
  return 0;
}

static int do_publish(void) {
  const Field *payload = field("payload");
  MQTTClient_message message = MQTTClient_message_initializer;
  MQTTClient_deliveryToken token;
  message.payload = payload->value;
  message.payloadlen = payload->length;
  message.qos = number("qos");
  message.retained = number("retain");
  int code;
  if (version == MQTTVERSION_5) {
    message.properties = asked_properties();
    MQTTResponse response = MQTTClient_publishMessage5(client, text("topic"), &message, &token);
    code = (int)response.reasonCode;
    MQTTResponse_free(response);
    MQTTProperties_free(&message.properties);
  } else {
    code = MQTTClient_publishMessage(client, text("topic"), &message, &token);
  }
  if (code == MQTTCLIENT_SUCCESS && message.qos > 0) code = wait_for_completion();
  if (code != MQTTCLIENT_SUCCESS) return code;
  say("done");
  return 0;
}

/* Each publish has waited for its own, as Paho C does unless told otherwise. */
static int do_flush(void) {
  say("done");
  return 0;
}

static int do_disconnect(void) {
  if (version == MQTTVERSION_5) MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL);
  else MQTTClient_disconnect(client, 1000);
  MQTTClient_destroy(&client);
  for (int i = 0; i <= ALIAS_MAX; i++) free(aliases[i]), aliases[i] = NULL;
  say("done");
  return 0;
}

int main(void) {
  static const struct {
    const char *verb;
    int (*act)(void);
  } verbs[] = {{"connect", do_connect}, {"subscribe", do_subscribe}, {"unsubscribe", do_unsubscribe},
               {"publish", do_publish}, {"flush", do_flush},         {"disconnect", do_disconnect},
               {"end", do_disconnect}};
  MQTTClient_setTraceCallback(traced);
  MQTTClient_setTraceLevel(MQTTCLIENT_TRACE_PROTOCOL);
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *rest = strchr(line, ' ');
    if (rest != NULL) *rest++ = 0;
    else rest = line + strlen(line);
    read_fields(rest);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
      if (strcmp(line, verbs[i].verb) != 0) continue;
      int code = verbs[i].act();
      if (code != 0) say_number("failed why", code);
    }
  }
  return 0;
}
