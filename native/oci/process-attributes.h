#pragma once

#include <cstdint>
#include <string>

#include "../base/json.h"

/** What `process` says beside identity and limits; most of it is rare. */
struct ProcessAttributes {
  std::string apparmorProfile;
  std::string selinuxLabel;
  struct Scheduler {
    bool isSet = false;
    uint32_t policy = 0;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = 0;
    uint64_t deadline = 0;
    uint64_t period = 0;
  } scheduler;
  /** As ioprio_set(2) takes it; negative is not set. */
  int ioPriority = -1;
};

/** Throws for what is malformed, and for labels that this machine's kernel does not have. */
ProcessAttributes parseAttributes(const Json& process, const std::string& where);

/** Labels take effect with the program that is executed next. */
void applyAttributes(const ProcessAttributes& attributes);

bool hasAppArmor();
bool hasSelinux();
