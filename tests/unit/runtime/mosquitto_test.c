/* The runtime's tests once more, over a real broker by way of the transport that has a descriptor.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "transport/transport.h"
#include "unit/transport/broker_util.h"

static void run_program(const char *name)
{
    char command[512];
    snprintf(command, sizeof command, GMQ_BUILD_DIR "/tests/runtime_%s_test", name);
    if (system(command) != 0)
        fail_msg("failed over mosquitto: GMQ_TEST_PORT=... GMQ_TEST_TRANSPORT=mosquitto %s",
                 command);
}

static void kinds_test(void **state)
{
    (void)state;
    run_program("kinds");
}

static void contract_test(void **state)
{
    (void)state;
    run_program("contract");
}

static void caller_test(void **state)
{
    (void)state;
    run_program("caller");
}

static void lifetime_test(void **state)
{
    (void)state;
    run_program("lifetime");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_test),
        cmocka_unit_test(contract_test),
        cmocka_unit_test(caller_test),
        cmocka_unit_test(lifetime_test),
    };
    if (!broker_installed() || !gmq__transport_find("mosquitto")) {
        puts("nothing is tested: no mosquitto broker, or no transport of that name");
        return 0;
    }
    broker b;
    char port[8];
    broker_prepare(&b);
    broker_start(&b, "max_inflight_messages 0\n");
    snprintf(port, sizeof port, "%u", b.port);
    setenv("GMQ_TEST_PORT", port, 1);
    setenv("GMQ_TEST_TRANSPORT", "mosquitto", 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    broker_stop(&b);
    return failed;
}
