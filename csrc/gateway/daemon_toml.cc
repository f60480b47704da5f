#include "daemon_toml.h"

#include <stdexcept>

namespace
{

/* toml++ is at its wits' end. Its version 3.3 is for some wrong texts (one is "[\"), and with
 * NDEBUG it assumes that they do not happen. */
struct unsound : std::logic_error {
    unsound() : std::logic_error("this is not TOML") {}
};

} // namespace

#undef NDEBUG
#define TOML_ASSERT(expr)                                                                          \
    do {                                                                                           \
        if (!(expr))                                                                               \
            throw unsound();                                                                       \
    } while (0)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS  1
#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

namespace
{

struct entry {
    std::string table, key, value;
    std::size_t element;
    bool is_switch, on;
    toml::source_position at;
};

struct problem {
    std::string text;
    toml::source_position at;
};

struct reader {
    std::vector<entry> entries;

    static problem wrong(const std::string &key, const toml::node &node)
    {
        return {key + ": a text, a number, a switch or a list of those is meant",
                node.source().begin};
    }

    void scalar(const entry &like, const toml::node &node)
    {
        entry made = like;
        if (auto text = node.value_exact<std::string>()) {
            made.value = *text;
        } else if (auto on = node.value_exact<bool>()) {
            made.is_switch = true;
            made.on = *on;
        } else if (node.is_integer() || node.is_floating_point()) {
            std::ostringstream digits;
            if (node.is_integer())
                digits << *node.value<int64_t>();
            else
                digits << *node.value<double>();
            made.value = digits.str();
        } else {
            throw wrong(like.key, node);
        }
        if (made.value.find('\0') != std::string::npos)
            throw problem{like.key + ": a NUL cannot stand in a text", node.source().begin};
        entries.push_back(made);
    }

    void value(const std::string &table, std::size_t element, const toml::key &key,
               const toml::node &node)
    {
        entry like{table, std::string(key.str()), "", element, false, false, key.source().begin};
        const toml::array *list = node.as_array();
        if (!list)
            scalar(like, node);
        else
            for (const toml::node &one : *list)
                scalar(like, one);
    }

    void table(const std::string &name, std::size_t element, const toml::table &from)
    {
        for (auto &&[key, node] : from)
            value(name, element, key, node);
    }

    void top(const toml::table &from)
    {
        for (auto &&[key, node] : from) {
            const toml::array *list = node.as_array();
            if (const toml::table *one = node.as_table()) {
                table(std::string(key.str()), 0, *one);
            } else if (list && !list->empty() && list->get(0)->is_table()) {
                for (std::size_t i = 0; i < list->size(); i++) {
                    if (!list->get(i)->is_table())
                        throw wrong(std::string(key.str()), *list->get(i));
                    table(std::string(key.str()), i + 1, *list->get(i)->as_table());
                }
            } else {
                value("", 0, key, node);
            }
        }
        std::stable_sort(entries.begin(), entries.end(), [](const entry &a, const entry &b) {
            return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
        });
    }
};

void read(const char *text, size_t len, bool (*each)(void *, const gmq__toml_entry *),
          void *context)
{
    reader all;
    all.top(toml::parse(std::string_view(text, len)));
    for (const entry &e : all.entries) {
        gmq__toml_entry out{e.table.c_str(), e.element, e.key.c_str(), e.value.c_str(),
                            e.is_switch,     e.at.line, e.at.column};
        if (e.is_switch)
            out.value = e.on ? "1" : nullptr;
        if (!each(context, &out))
            break;
    }
}

/* Of the text's lines, the one with which it becomes unsound. */
unsigned unsound_line(std::string_view text)
{
    unsigned line = 0;
    for (std::size_t end = 0; end < text.size(); end++) {
        end = std::min(text.find('\n', end), text.size());
        line++;
        try {
            (void)toml::parse(text.substr(0, end));
        } catch (const unsound &) {
            break;
        } catch (const toml::parse_error &) { // cut in the middle of something
        }
    }
    return line;
}

} // namespace

bool gmq__toml_read(const char *text, size_t len, bool (*each)(void *, const gmq__toml_entry *),
                    void *context, char error[GMQ__TOML_ERROR], unsigned *line, unsigned *column)
{
    try {
        read(text, len, each, context);
        return true;
    } catch (const problem &p) {
        std::snprintf(error, GMQ__TOML_ERROR, "%s", p.text.c_str());
        *line = p.at.line;
        *column = p.at.column;
    } catch (const toml::parse_error &e) {
        std::snprintf(error, GMQ__TOML_ERROR, "%.*s", (int)e.description().size(),
                      e.description().data());
        *line = e.source().begin.line;
        *column = e.source().begin.column;
    } catch (const unsound &e) {
        std::snprintf(error, GMQ__TOML_ERROR, "%s", e.what());
        *line = unsound_line(std::string_view(text, len));
        *column = 1;
    } catch (const std::exception &e) { // no memory
        std::snprintf(error, GMQ__TOML_ERROR, "%s", e.what());
        *line = *column = 0;
    }
    return false;
}
