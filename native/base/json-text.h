#pragma once

#include <string>
#include <string_view>

/** Appends the text with JSON's escapes; a byte that is not part of valid UTF-8 becomes U+FFFD. */
void appendJson(std::string& out, std::string_view text);

/** Bytes at the end of `text` that begin a UTF-8 character but do not finish it. */
size_t unfinishedUtf8(std::string_view text);
