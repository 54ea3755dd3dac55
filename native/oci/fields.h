#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../base/json.h"

/** Members of a document, checked for their kind: each throws with `where` and the name when a member has another one. A missing member is its default. */
std::string textOf(const Json& object, const char* name, const std::string& where);
bool flagOf(const Json& object, const char* name, const std::string& where);
int64_t numberOf(const Json& object, const char* name, const std::string& where, int64_t missing);
/** From 0 to `most`, for what the kernel keeps in fewer bits: a longer one would be taken for another. */
int64_t numberUpTo(const Json& object, const char* name, const std::string& where, int64_t missing, int64_t most);
/** A user's or group's number. Throws for one that is none: the highest of 32 bits means "as before" to the kernel (setresuid(2)). */
uint32_t idOf(const std::string& digits, const std::string& what);
uint64_t limitOf(const Json& object, const char* name, const std::string& where);
std::vector<std::string> textsOf(const Json& object, const char* name, const std::string& where);
/** An array's items or nothing. */
const std::vector<Json>& itemsOf(const Json& object, const char* name, const std::string& where);
