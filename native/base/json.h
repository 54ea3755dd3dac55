#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/** A JSON value (RFC 8259) in memory: for documents of a few kilobytes, as the OCI runtime specification has them. */
class Json {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  Json() = default;
  static Json text(std::string_view value);
  static Json number(int64_t value);
  static Json boolean(bool value);
  static Json array();
  static Json object();

  /** Throws with the name of the source and the byte where it stopped making sense. */
  static Json parse(std::string_view text, std::string_view source);

  Kind kind() const { return kind_; }
  bool isNull() const { return kind_ == Kind::null; }
  const std::vector<Json>& items() const { return items_; }
  const std::vector<std::pair<std::string, Json>>& members() const { return members_; }
  /** Of strings; and of numbers, as they are written. */
  const std::string& literal() const { return literal_; }
  bool isTrue() const { return isTrue_; }

  /** A member's value; null where it is missing. */
  const Json& operator[](std::string_view name) const;
  /** For building: the member, made when it is missing. */
  Json& at(std::string_view name);
  void append(Json item) { items_.push_back(std::move(item)); }

  std::string write() const;

 private:
  friend class JsonParser;
  void appendTo(std::string& out) const;

  Kind kind_ = Kind::null;
  bool isTrue_ = false;
  std::string literal_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};
