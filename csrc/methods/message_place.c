/* Texts that say where in a message something is. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "methods/message.h"

typedef struct writer {
    char text[400];
    size_t len;
} writer;

gmq__place gmq__place_in(const gmq__place *outer, const gmq_field *field, size_t index)
{
    return (gmq__place){outer, field->message, field, index, outer->depth + 1};
}

static void put(writer *w, const char *text)
{
    size_t len = strlen(text), room = sizeof w->text - 1 - w->len;
    if (len > room)
        len = room;
    memcpy(w->text + w->len, text, len);
    w->len += len;
    w->text[w->len] = '\0';
}

static void put_field(writer *w, const gmq_field *field, size_t index)
{
    char number[24];
    put(w, field->name);
    if (field->label != GMQ_LABEL_REPEATED || index == SIZE_MAX)
        return;
    snprintf(number, sizeof number, "[%zu]", index);
    put(w, number);
}

gmq_status gmq__place_fail(gmq_status status, const gmq__place *place, const gmq_field *field,
                           size_t index, const char *fault)
{
    const gmq__place *trail[GMQ__MESSAGE_DEPTH_MAX + 2];
    size_t n = 0;
    writer w = {.len = 0};
    for (; place->outer; place = place->outer)
        trail[n++] = place;
    put(&w, place->type->name);
    put(&w, n || field ? ": " : ":");
    while (n--) {
        put_field(&w, trail[n]->field, trail[n]->index);
        put(&w, n || field ? "." : "");
    }
    if (field)
        put_field(&w, field, index);
    return gmq__fail(status, "%s %s", w.text, fault);
}
