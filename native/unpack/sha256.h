#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

/** SHA-256 (FIPS 180-4) of bytes as they come; by the processor's own instructions where it has them. */
class Sha256 {
 public:
  Sha256();
  /** `accelerated` false leaves the processor's instructions aside: for tests. */
  explicit Sha256(bool accelerated);
  void update(const void* data, size_t size);
  /** Lower-case hexadecimal; the object is used up. */
  std::string finish();

 private:
  using Transform = void (*)(uint32_t* state, const uint8_t* blocks, size_t count);
  Transform transform_;
  uint32_t state_[8];
  uint64_t total_ = 0;
  uint8_t buffer_[64];
};
