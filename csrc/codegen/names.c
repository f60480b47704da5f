#include "codegen/names.h"

#include <string.h>

/* In ASCII, whatever the locale: that is what a .proto allows. */
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char to_upper(char c) { return is_lower(c) ? (char)(c - 'a' + 'A') : c; }
static char to_lower(char c) { return is_upper(c) ? (char)(c - 'A' + 'a') : c; }

/* What was written into `out`, kept; frees it. */
static const char *keep(gmq__scratch *scratch, gmq__bytes *out)
{
    scratch->failed |= out->failed;
    const char *text = gmq__scratch_keep(scratch, gmq__bytes_span(out));
    gmq__bytes_free(out);
    return text;
}

/* Two underscores between parts; dots at the ends, and doubled ones, are none. */
static const char *skip_dots(gmq__bytes *out, const char *at)
{
    while (*at == '.')
        at++;
    if (*at && out->len)
        gmq__bytes_put_str(out, "__");
    return at;
}

const char *gmq__name_type(gmq__scratch *scratch, const char *full_name)
{
    gmq__bytes out = {0};
    bool start = true;
    for (const char *at = skip_dots(&out, full_name); *at;) {
        if (*at != '_') {
            gmq__bytes_put_u8(&out, (uint8_t)(start ? to_upper(*at) : *at));
            start = false;
        } else {
            start = true;
        }
        if (*++at == '.') {
            at = skip_dots(&out, at);
            start = true;
        }
    }
    return keep(scratch, &out);
}

const char *gmq__name_lower(gmq__scratch *scratch, const char *full_name)
{
    gmq__bytes out = {0};
    bool was_upper = true;
    for (const char *at = skip_dots(&out, full_name); *at;) {
        if (is_upper(*at) && !was_upper)
            gmq__bytes_put_str(&out, "_");
        gmq__bytes_put_u8(&out, (uint8_t)to_lower(*at));
        was_upper = is_upper(*at);
        if (*++at == '.') {
            at = skip_dots(&out, at);
            was_upper = true;
        }
    }
    return keep(scratch, &out);
}

/* Of C11 and C++20, and what the headers of C make of them. */
static const char *const keywords[] = {
    "alignas",     "alignof",      "and",       "and_eq",
    "asm",         "auto",         "bitand",    "bitor",
    "bool",        "break",        "case",      "catch",
    "char",        "char16_t",     "char32_t",  "char8_t",
    "class",       "co_await",     "co_return", "co_yield",
    "compl",       "concept",      "const",     "const_cast",
    "consteval",   "constexpr",    "constinit", "continue",
    "decltype",    "default",      "delete",    "do",
    "double",      "dynamic_cast", "else",      "enum",
    "explicit",    "export",       "extern",    "false",
    "float",       "for",          "friend",    "goto",
    "if",          "inline",       "int",       "linux",
    "long",        "mutable",      "namespace", "new",
    "noexcept",    "not",          "not_eq",    "nullptr",
    "operator",    "or",           "or_eq",     "private",
    "protected",   "public",       "register",  "reinterpret_cast",
    "requires",    "restrict",     "return",    "short",
    "signed",      "sizeof",       "static",    "static_assert",
    "static_cast", "struct",       "switch",    "template",
    "this",        "thread_local", "throw",     "true",
    "try",         "typedef",      "typeid",    "typename",
    "typeof",      "union",        "unix",      "unsigned",
    "using",       "virtual",      "void",      "volatile",
    "wchar_t",     "while",        "xor",       "xor_eq",
};

const char *gmq__name_member(gmq__scratch *scratch, const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(name, keywords[i]) == 0)
            return gmq__scratch_text(scratch, "%s_", name);
    return name;
}

const char *gmq__name_file(gmq__scratch *scratch, const char *file)
{
    static const char digits[] = "0123456789abcdef";
    gmq__bytes out = {0};
    for (const char *at = file; *at; at++) {
        if (is_upper(*at) || is_lower(*at) || is_digit(*at)) {
            gmq__bytes_put_u8(&out, (uint8_t)*at);
            continue;
        }
        uint8_t byte = (uint8_t)*at;
        gmq__bytes_put_str(&out, "_");
        gmq__bytes_put_u8(&out, (uint8_t)digits[byte >> 4]);
        gmq__bytes_put_u8(&out, (uint8_t)digits[byte & 15]);
    }
    return keep(scratch, &out);
}

const char *gmq__name_stem(gmq__scratch *scratch, const char *file)
{
    static const char *const endings[] = {".proto", ".protodevel"};
    size_t len = strlen(file);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (len >= ending && strcmp(file + len - ending, endings[i]) == 0)
            return gmq__scratch_keep(scratch, gmq__span_of(file, len - ending));
    }
    return file;
}
