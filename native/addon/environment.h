#pragma once

#include <node_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

/** A JavaScript exception is pending: unwinds to the entry of the call, which returns to Node.js. */
struct PendingException {};

/** Typed access to the values of one call. Whatever Node-API refuses becomes a PendingException. */
class Environment {
 public:
  explicit Environment(napi_env env) : env_(env) {}

  napi_env raw() const { return env_; }
  void check(napi_status status) const;
  /** Throws a JavaScript Error with `code`. */
  napi_value error(const std::string& text, int error) const;

  std::string text(napi_value value) const;
  uint32_t number(napi_value value) const;
  bool boolean(napi_value value) const;

  napi_value value(const std::string& text) const;
  napi_value value(double number) const;
  napi_value value(bool truth) const;
  napi_value undefined() const;
  napi_value array() const;
  napi_value object() const;
  void set(napi_value object, const char* name, napi_value value) const;
  void set(napi_value array, uint32_t index, napi_value value) const;

 private:
  napi_env env_;
};

/** Makes the JavaScript value of a finished call, back on the main thread. */
using Answer = std::function<napi_value(const Environment&)>;

/** Runs `work` on a thread of libuv's pool and gives a promise of what its answer makes; a Failure rejects it. */
napi_value runAside(const Environment& environment, const char* name, std::function<Answer()> work);
