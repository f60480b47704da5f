/* A plugin of mosquitto 2: clients that connect with another version than MQTT 3.1.1 are refused.
 * mosquitto has no option for that before 2.1. */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

static mosquitto_plugin_id_t *self;

static int check(int event, void *data, void *user)
{
    const struct mosquitto_evt_basic_auth *asked = data;
    (void)event;
    (void)user;
    return mosquitto_client_protocol_version(asked->client) == 4 ? MOSQ_ERR_SUCCESS : MOSQ_ERR_AUTH;
}

int mosquitto_plugin_version(int count, const int *versions)
{
    for (int at = 0; at < count; at++)
        if (versions[at] == MOSQ_PLUGIN_VERSION)
            return MOSQ_PLUGIN_VERSION;
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **user, struct mosquitto_opt *options,
                          int count)
{
    (void)user;
    (void)options;
    (void)count;
    self = id;
    return mosquitto_callback_register(id, MOSQ_EVT_BASIC_AUTH, check, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *user, struct mosquitto_opt *options, int count)
{
    (void)user;
    (void)options;
    (void)count;
    return mosquitto_callback_unregister(self, MOSQ_EVT_BASIC_AUTH, check, NULL);
}
