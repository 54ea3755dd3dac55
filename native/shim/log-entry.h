#pragma once

#include <string>
#include <string_view>

/**
 * Appends an entry of Docker's json-file format, with the present time: {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"} and a newline;
 * `attributes`, a JSON object, goes before the time unless it is empty.
 */
void appendJsonEntry(std::string& out, std::string_view stream, std::string_view text, const std::string& attributes);

/**
 * The same in the local driver's format: a protobuf message (1 source, 2 time in nanoseconds, 3 line without its newline, 4 true when it had none) between its length, twice,
 * as 4 bytes big-endian: so a log can be read from either end.
 */
void appendLocalEntry(std::string& out, std::string_view stream, std::string_view text);
