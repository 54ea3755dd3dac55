#pragma once

#include <cstdint>

/** Nanoseconds of a clock that nobody sets: for how long something takes. */
uint64_t monotonicNs();
