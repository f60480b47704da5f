/* Names in C, as protoc-c makes them: "foo.v1.HelloRequest" is the type Foo__V1__HelloRequest and
 * the prefix foo__v1__hello_request. */
#ifndef GMQ_CODEGEN_NAMES_H
#define GMQ_CODEGEN_NAMES_H

#include "codegen/scratch.h"

/* Parts between dots, a run of capitals being one word: "HTTPGet.x_Y" is HTTPGet__XY */
const char *gmq__name_type(gmq__scratch *scratch, const char *full_name);
/* and httpget__x__y. */
const char *gmq__name_lower(gmq__scratch *scratch, const char *full_name);

/* A name fit for a member of a struct, in C and in C++: a keyword gets an underscore. */
const char *gmq__name_member(gmq__scratch *scratch, const char *name);

/* "a/b.proto": "a_2fb_2eproto", unique as an identifier once something stands before it. */
const char *gmq__name_file(gmq__scratch *scratch, const char *file);

/* "a/b.proto": "a/b". */
const char *gmq__name_stem(gmq__scratch *scratch, const char *file);

#endif
