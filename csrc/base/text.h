/* UTF-8, and bytes of unknown content made fit for an error text. */
#ifndef GMQ_BASE_TEXT_H
#define GMQ_BASE_TEXT_H

#include "base/bytes.h"

/* Length (1 to 4) of the UTF-8 character at the start of `text`, 0 when there is none: empty, stray
 * or missing continuation, overlong form, surrogate, above U+10FFFF. */
size_t gmq__utf8_char(gmq__span text);
bool gmq__utf8_valid(gmq__span text);

/* Bytes as one can show them: what is not printable UTF-8 becomes \xNN; long ones are cut and end
 * in "...". Used as gmq__show(span).text. */
typedef struct gmq__shown {
    char text[208];
} gmq__shown;
gmq__shown gmq__show(gmq__span bytes);

#endif
