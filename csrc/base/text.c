#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool continues(gmq__span text, size_t len)
{
    if (text.len < len)
        return false;
    for (size_t i = 1; i < len; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t gmq__utf8_char(gmq__span text)
{
    if (!text.len)
        return 0;
    uint8_t first = text.data[0];
    if (first < 0x80)
        return 1;
    size_t len = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (!len || !continues(text, len))
        return 0;
    uint8_t second = text.data[1];
    bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool beyond = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return overlong || beyond ? 0 : len;
}

bool gmq__utf8_valid(gmq__span text)
{
    while (text.len) {
        size_t len = gmq__utf8_char(text);
        if (!len)
            return false;
        text = gmq__span_of(text.data + len, text.len - len);
    }
    return true;
}

gmq__shown gmq__show(gmq__span bytes)
{
    gmq__shown shown;
    size_t at = 0;
    const size_t room = sizeof shown.text - sizeof "...";
    while (bytes.len) {
        size_t len = gmq__utf8_char(bytes);
        bool plain = len > 1 || (len == 1 && bytes.data[0] >= 0x20 && bytes.data[0] != 0x7f);
        size_t need = plain ? len : 4;
        if (at + need > room) {
            memcpy(shown.text + at, "...", 3);
            at += 3;
            break;
        }
        if (plain)
            memcpy(shown.text + at, bytes.data, len);
        else
            snprintf(shown.text + at, 5, "\\x%02x", bytes.data[0]);
        at += need;
        len = plain ? len : 1;
        bytes = gmq__span_of(bytes.data + len, bytes.len - len);
    }
    shown.text[at] = '\0';
    return shown;
}
