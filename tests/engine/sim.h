/* A seeded MQTT broker in virtual time, and engines connected to it. Nothing here sleeps or looks
 * at a clock. */
#ifndef GMQ_TESTS_SIM_H
#define GMQ_TESTS_SIM_H

#include "base/prng.h"
#include "engine/engine.h"

#define SIM_MS INT64_C(1000000)
#define SIM_S  INT64_C(1000000000)

typedef struct sim_faults {
    uint32_t drop_ppm, double_ppm,
        reorder_ppm;      /* of a million deliveries; not of heartbeats and presences */
    int64_t reorder_ns;   /* how much later a reordered one comes, at most */
    int64_t latency_ns;   /* of everything, one way */
    uint32_t receive_max; /* publishes in flight of one peer; 0 = 65535 */
    size_t packet_max;    /* 0 = no limit */
    bool no_properties;   /* MQTT 3.1.1 */
} sim_faults;

typedef struct sim sim;
typedef struct sim_peer sim_peer;

/* Called for each event of the peer's engine; what it holds is cleared afterwards. */
typedef void sim_on_event(sim_peer *peer, gmq__ev *ev);
/* Sees each publish of a peer before the broker; false = swallowed there, acknowledged as
 * delivered. */
typedef bool sim_on_publish(sim_peer *peer, const gmq__mqtt_message *message);

struct sim_peer {
    sim *sim;
    gmq__engine *engine;
    void *ctx;
    sim_on_event *on_event;
    sim_on_publish *on_publish; /* may be NULL */
    bool connected, hold_acks, refuse_subscribe;
    const char *refuse_filter; /* SUBSCRIBEs with this in a filter are refused; or NULL */
    int refuse_publish;        /* 0, or the reason of each PUBACK */
    uint32_t in_flight, most_in_flight;
    uint64_t publishes, subscribes, unsubscribes; /* numbers of each sent */
    unsigned connection; /* grows with each: what was on its way to an earlier one is lost */
    char *filters[512];
    size_t nfilters;
    int64_t last_arrival;
    bool cut_off; /* connected, but nothing comes or goes: a partition */
};

struct sim {
    int64_t now;
    char *retained[16][2]; /* topic, payload as hexadecimal; NULL = free */
    unsigned shared;       /* turn of the members of a shared subscription */
    gmq__prng prng;
    sim_faults faults;
    sim_peer peers[4];
    size_t npeers;
    struct sim_thing **things; /* min-heap of what is under way */
    size_t nthings, cap;
    uint64_t order;
};

void sim_init(sim *s, uint64_t seed, const sim_faults *faults);
void sim_free(sim *s); /* with the engines */

/* config->random is set by the simulator. */
sim_peer *sim_add(sim *s, gmq__engine_config *config, sim_on_event *on_event, void *ctx);
void sim_connect(sim_peer *peer);
void sim_disconnect(sim_peer *peer, int32_t code, const char *why);
/* A new engine in the place of the old one, which is gone without a word; not connected. */
void sim_restart(sim_peer *peer, gmq__engine_config *config);
/* A publish from nobody (a Will), retained or not. */
void sim_publish(sim *s, const char *topic, const void *payload, size_t len, bool retain);

void sim_settle(sim *s);                /* all that can be done now */
void sim_run(sim *s, int64_t duration); /* virtual time passes */
/* Runs until done(ctx), at most `duration`; the result of done(). */
bool sim_run_until(sim *s, int64_t duration, bool (*done)(void *ctx), void *ctx);

/* A publish from outside (a peer of another make): `i` < 0: without the property. Delivered at
 * once. */
void sim_inject(sim_peer *to, const char *topic, const void *payload, size_t len, int64_t i);
/* The same with whatever stands in the property; NULL: without. */
void sim_inject_as(sim_peer *to, const char *topic, const void *payload, size_t len, const char *i);

/* The schedules to run: 1 to `many`, or what GMQ_SEED says, a seed or a range as 1001-500000.
 * true = a single one, worth many words. */
bool sim_seeds(uint64_t many, uint64_t *first, uint64_t *last);

#endif
