/* A plugin of mosquitto 2 for what its configuration cannot say before 2.1:
 *   plugin_opt_only_version 4       clients of another version than MQTT 3.1.1 are refused
 *   plugin_opt_deny_subscribe TEXT  SUBSCRIBE of a filter that holds TEXT is answered "not
 * authorised"
 */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <stdlib.h>
#include <string.h>

static mosquitto_plugin_id_t *self;
static int only_version;
static const char *deny_subscribe;

static int connects(int event, void *data, void *user)
{
    const struct mosquitto_evt_basic_auth *asked = data;
    (void)event;
    (void)user;
    if (only_version && mosquitto_client_protocol_version(asked->client) != only_version)
        return MOSQ_ERR_AUTH;
    return MOSQ_ERR_SUCCESS;
}

static int accesses(int event, void *data, void *user)
{
    const struct mosquitto_evt_acl_check *asked = data;
    (void)event;
    (void)user;
    if (deny_subscribe && asked->access == MOSQ_ACL_SUBSCRIBE &&
        strstr(asked->topic, deny_subscribe))
        return MOSQ_ERR_ACL_DENIED;
    return MOSQ_ERR_SUCCESS;
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
    self = id;
    for (int at = 0; at < count; at++)
        if (!strcmp(options[at].key, "only_version"))
            only_version = atoi(options[at].value);
        else if (!strcmp(options[at].key, "deny_subscribe"))
            deny_subscribe = options[at].value;
    int status = mosquitto_callback_register(id, MOSQ_EVT_BASIC_AUTH, connects, NULL, NULL);
    return status ? status
                  : mosquitto_callback_register(id, MOSQ_EVT_ACL_CHECK, accesses, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *user, struct mosquitto_opt *options, int count)
{
    (void)user;
    (void)options;
    (void)count;
    mosquitto_callback_unregister(self, MOSQ_EVT_BASIC_AUTH, connects, NULL);
    mosquitto_callback_unregister(self, MOSQ_EVT_ACL_CHECK, accesses, NULL);
    return MOSQ_ERR_SUCCESS;
}
