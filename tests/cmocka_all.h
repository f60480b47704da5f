/* cmocka.h with what it wants included before it. */
#ifndef GMQ_TEST_CMOCKA_ALL_H
#define GMQ_TEST_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
