#include "environment.h"

#include <optional>

#include "../base/error.h"

namespace {

/** One call under way, from the main thread to a worker and back. */
struct Work {
  std::function<Answer()> run;
  Answer answer;
  std::optional<Failure> failure;
  napi_deferred deferred = nullptr;
  napi_async_work handle = nullptr;
};

void execute(napi_env, void* data) {
  auto* work = static_cast<Work*>(data);
  try {
    work->answer = work->run();
  } catch (const Failure& failure) {
    work->failure = failure;
  }
}

void complete(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Work> work(static_cast<Work*>(data));
  const Environment environment(env);
  try {
    if (work->failure) {
      environment.check(napi_reject_deferred(env, work->deferred, environment.error(work->failure->text, work->failure->error)));
    } else {
      environment.check(napi_resolve_deferred(env, work->deferred, work->answer(environment)));
    }
  } catch (const PendingException&) {
    // Node.js throws it when this returns.
  }
  napi_delete_async_work(env, work->handle);
}

}  // namespace

void Environment::check(napi_status status) const {
  if (status == napi_ok) return;
  bool isPending = false;
  napi_is_exception_pending(env_, &isPending);
  if (!isPending) {
    const napi_extended_error_info* info = nullptr;
    napi_get_last_error_info(env_, &info);
    napi_throw_type_error(env_, "EINVAL", info != nullptr && info->error_message != nullptr ? info->error_message : "call of the addon failed");
  }
  throw PendingException();
}

napi_value Environment::error(const std::string& text, int error) const {
  napi_value result;
  check(napi_create_error(env_, value(error == 0 ? std::string("EUNKNOWN") : symbolOf(error)), value(text), &result));
  return result;
}

std::string Environment::text(napi_value value) const {
  size_t size = 0;
  check(napi_get_value_string_utf8(env_, value, nullptr, 0, &size));
  std::string text(size, '\0');
  check(napi_get_value_string_utf8(env_, value, text.data(), size + 1, &size));
  return text;
}

uint32_t Environment::number(napi_value value) const {
  uint32_t number = 0;
  check(napi_get_value_uint32(env_, value, &number));
  return number;
}

bool Environment::boolean(napi_value value) const {
  bool truth = false;
  check(napi_get_value_bool(env_, value, &truth));
  return truth;
}

napi_value Environment::value(const std::string& text) const {
  napi_value result;
  check(napi_create_string_utf8(env_, text.data(), text.size(), &result));
  return result;
}

napi_value Environment::value(double number) const {
  napi_value result;
  check(napi_create_double(env_, number, &result));
  return result;
}

napi_value Environment::value(bool truth) const {
  napi_value result;
  check(napi_get_boolean(env_, truth, &result));
  return result;
}

napi_value Environment::undefined() const {
  napi_value result;
  check(napi_get_undefined(env_, &result));
  return result;
}

napi_value Environment::array() const {
  napi_value result;
  check(napi_create_array(env_, &result));
  return result;
}

napi_value Environment::object() const {
  napi_value result;
  check(napi_create_object(env_, &result));
  return result;
}

void Environment::set(napi_value object, const char* name, napi_value value) const { check(napi_set_named_property(env_, object, name, value)); }

void Environment::set(napi_value array, uint32_t index, napi_value value) const { check(napi_set_element(env_, array, index, value)); }

napi_value runAside(const Environment& environment, const char* name, std::function<Answer()> run) {
  auto work = std::make_unique<Work>();
  work->run = std::move(run);
  napi_value promise;
  environment.check(napi_create_promise(environment.raw(), &work->deferred, &promise));
  environment.check(napi_create_async_work(environment.raw(), nullptr, environment.value(std::string(name)), execute, complete, work.get(), &work->handle));
  environment.check(napi_queue_async_work(environment.raw(), work->handle));
  work.release();
  return promise;
}
