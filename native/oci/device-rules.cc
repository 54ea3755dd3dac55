#include "device-rules.h"

#include <algorithm>
#include <iterator>

#include "../base/error.h"
#include "fields.h"

namespace {

/** What the specification's default devices and terminals need, whatever the rules say. */
const char* const USUAL_DEVICES[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"};

constexpr const char* WHERE = "linux.resources.devices";

struct DeviceRule {
  bool isAllowed;
  bool isForAll;
  /** a, b or c. */
  char type;
  /** ` MAJOR:MINOR ACCESS`. */
  std::string rest;
};

DeviceRule parseRule(const Json& json) {
  const auto part = [&](const char* name) {
    const int64_t value = numberOf(json, name, WHERE, -1);
    return value < 0 ? std::string("*") : std::to_string(value);
  };
  const std::string type = textOf(json, "type", WHERE), access = textOf(json, "access", WHERE);
  if (!type.empty() && type != "a" && type != "b" && type != "c") failWith(std::string(WHERE) + ".type \"" + type + "\" is not one of a, b and c", EINVAL);
  if (access.find_first_not_of("rwm") != std::string::npos) failWith(std::string(WHERE) + ".access \"" + access + "\" is not made of r, w and m", EINVAL);
  const std::string numbers = part("major") + ":" + part("minor");
  const bool isAny = type.empty() || type == "a";
  return {flagOf(json, "allow", WHERE), isAny && numbers == "*:*", isAny ? 'a' : type[0], " " + numbers + " " + (access.empty() ? "rwm" : access)};
}

/** Anyone may make any node, also on version 1, where a single one cannot be taken out of all: what counts is who may open it. */
std::string withoutMaking(std::string rest) {
  rest.erase(std::remove(rest.begin(), rest.end(), 'm'), rest.end());
  return rest;
}

}  // namespace

void takeDevices(Limits& limits, const Json& resources) {
  if (!limits.isLegacy("devices")) return;
  limits.set({"devices", "devices.deny", "a", "", ""});
  for (const char* rule : USUAL_DEVICES) limits.set({"devices", "devices.allow", rule, "", ""});
  for (const Json& json : itemsOf(resources, "devices", "linux.resources")) {
    const DeviceRule rule = parseRule(json);
    // Everything is denied already, but for what is needed.
    if (!rule.isAllowed && rule.isForAll) continue;
    limits.set({"devices", rule.isAllowed ? "devices.allow" : "devices.deny", rule.isForAll ? "a" : rule.type + rule.rest, "", ""});
  }
}

std::vector<std::string> deviceFilterRules(const Json& resources) {
  std::vector<std::string> rules(std::begin(USUAL_DEVICES), std::end(USUAL_DEVICES));
  bool isOpen = false;
  for (const Json& json : itemsOf(resources, "devices", "linux.resources")) {
    const DeviceRule rule = parseRule(json);
    if (rule.isForAll) {
      rules.assign(std::begin(USUAL_DEVICES), std::end(USUAL_DEVICES));
      isOpen = rule.isAllowed;
      if (isOpen) rules.insert(rules.end(), {"c *:* rwm", "b *:* rwm"});
      continue;
    }
    if (!rule.isAllowed) isOpen = false;
    const std::string rest = rule.isAllowed ? rule.rest : withoutMaking(rule.rest);
    if (rest.back() == ' ') continue;
    const std::string sign = rule.isAllowed ? "" : "!";
    if (rule.type != 'b') rules.push_back(sign + "c" + rest);
    if (rule.type != 'c') rules.push_back(sign + "b" + rest);
  }
  return isOpen ? std::vector<std::string>() : rules;
}
