#include "edge/transport/http.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>

#include "edge/transport/http_response.h"

namespace covet::edge {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

}  // namespace

std::optional<std::string_view> HttpRequest::Header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (SameName(header, name)) return value;
  }
  return std::nullopt;
}

std::string SerializeResponse(const HttpResponse& response, bool head_only, bool keep_alive) {
  namespace http = boost::beast::http;
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  out.append(reason.data(), reason.size());
  out += "\r\nServer: covet\r\n";
  for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
  // RFC 9110 section 8.6: these have no body, and their length would be the file's.
  if (response.status != 204 && response.status != 304) {
    const auto size = static_cast<int64_t>(response.body.size());
    out += "Content-Length: " +
           std::to_string(response.content_length >= 0 ? response.content_length : size) + "\r\n";
  }
  out += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!head_only && response.stream == nullptr) out += response.body;
  return out;
}

}  // namespace covet::edge
