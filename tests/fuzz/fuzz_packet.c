/* A packet that is taken comes back the same when written again. */
#include "fuzz/fuzz.h"
#include "wire/packet.h"
#include "wire/request.h"

static void control(gmq__span in)
{
    int32_t value = 0, again = ~value;
    if (gmq__control_decode(in, &value) != GMQ_OK || value < 0)
        return;
    gmq__bytes out = {0};
    gmq__control_encode(&out, (gmq__control)value);
    check(gmq__control_decode(gmq__bytes_span(&out), &again) == GMQ_OK && again == value);
    gmq__bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq__packet packet, again;
    control(gmq__span_of(data, len));
    if (gmq__packet_decode(gmq__span_of(data, len), &packet) != GMQ_OK)
        return 0;
    gmq__bytes out = {0};
    gmq__packet_encode(&out, packet.payload, packet.position, packet.npackets);
    check(out.len == gmq__packet_encoded_len(packet.payload.len));
    check(gmq__packet_decode(gmq__bytes_span(&out), &again) == GMQ_OK);
    check(gmq__span_equal(again.payload, packet.payload));
    check(again.position == packet.position && again.npackets == packet.npackets);
    gmq__bytes_free(&out);
    return 0;
}
