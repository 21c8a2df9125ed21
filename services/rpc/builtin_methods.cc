#include "services/rpc/builtin_methods.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/backends/status_details.h"
#include "common/payload/json_writer.h"
#include "common/payload/struct_json.h"
#include "common/protojson/json_schema.h"
#include "services/rpc/errors.h"

namespace covet::rpc {
namespace {

using backends::CallError;

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1'000;
// A page ends before its schemas make it larger than a result may be.
constexpr size_t kMaxPageBytes = 256 << 10;

// What is kept back of a call's time, so that a database that does not answer is told of by
// CONNECTION_FAILED before the call itself times out.
int64_t ReserveMs(int64_t timeout_ms) { return std::min<int64_t>(timeout_ms / 10, 250); }

CallError ConnectionFailed(const Database& database, std::string_view reason) {
  CallError error;
  error.code = "CONNECTION_FAILED";
  error.message = "Failed to connect to database";
  error.details = "{";
  payload::AppendStringMember(&error.details, "host", database.host);
  payload::AppendIntMember(&error.details, "port", database.port);
  payload::AppendStringMember(&error.details, "error", reason);
  error.details.push_back('}');
  error.grpc_status = static_cast<int>(absl::StatusCode::kUnavailable);
  return error;
}

// Adds a method to a page; the size of its text.
size_t AddMethod(const std::string& name, const Method& method, bool names_only,
                 v1::ListMethodsResponse* page) {
  v1::Method& told = *page->add_methods();
  told.set_name(name);
  told.set_grpc_method(method.grpc_method);
  told.set_description(method.description);
  told.set_idempotent(method.idempotent);
  if (names_only) return name.size();
  const std::string params =
      protojson::JsonSchemaOf(method.params(), protojson::SchemaUse::kParams);
  const std::string result =
      protojson::JsonSchemaOf(method.result(), protojson::SchemaUse::kResult);
  payload::JsonToStruct(params, told.mutable_params_schema());
  payload::JsonToStruct(result, told.mutable_result_schema());
  return params.size() + result.size();
}

// A method whose messages are compiled in.
template <typename Request, typename Response>
class BuiltinMethod final : public Method {
 public:
  using Handler = Builtin::Started (Builtin::*)(const CallRequest&, const Request&,
                                                Builtin::Done<Response>) const;

  BuiltinMethod(const Builtin& builtin, std::string method_name, const char* grpc_name,
                Handler handler, std::shared_ptr<const protojson::Schema> schema,
                RpcMetrics& rpc_metrics)
      : builtin_(builtin),
        handler_(handler),
        schema_(std::move(schema)),
        request_(*schema_->FindMessage(Request::descriptor()->full_name())),
        response_(*schema_->FindMessage(Response::descriptor()->full_name())) {
    name = std::move(method_name);
    grpc_method = grpc_name;
    backend = "rpc";
    metrics = &rpc_metrics.Of(backend);
  }

  std::shared_ptr<backends::BackendCall> Call(const CallRequest& call,
                                              backends::CallDone done) const override {
    std::string wire;
    if (absl::Status read = request_.JsonToWire(call.params, "params", &wire); !read.ok()) {
      done(backends::FromStatus(read));
      return nullptr;
    }
    Request request;
    request.ParseFromString(wire);
    return (builtin_.*handler_)(
        call, request,
        [codec = response_, schema = schema_,
         done = std::move(done)](std::variant<Response, CallError> result) {
          if (auto* error = std::get_if<CallError>(&result)) return done(std::move(*error));
          std::string json;
          const absl::Status printed =
              codec.WireToJson(std::get<Response>(result).SerializeAsString(), &json);
          printed.ok() ? done(std::move(json)) : done(backends::FromStatus(printed));
        });
  }
  const google::protobuf::Descriptor& params() const override { return request_.descriptor(); }
  const google::protobuf::Descriptor& result() const override { return response_.descriptor(); }

 private:
  const Builtin& builtin_;
  const Handler handler_;
  const std::shared_ptr<const protojson::Schema> schema_;
  const protojson::MessageCodec request_;
  const protojson::MessageCodec response_;
};

}  // namespace

Builtin::Started Builtin::Ping(const CallRequest& /*call*/, const v1::PingRequest& /*request*/,
                               Done<v1::PingResponse> done) const {
  v1::PingResponse response;
  const int64_t now_ms = clock_.WallMillis();
  response.mutable_time()->set_seconds(now_ms / 1000);
  response.mutable_time()->set_nanos(static_cast<int32_t>(now_ms % 1000) * 1'000'000);
  done(std::move(response));
  return nullptr;
}

Builtin::Started Builtin::Methods(const CallRequest& call, const v1::ListMethodsRequest& request,
                                  Done<v1::ListMethodsResponse> done) const {
  const int wanted = request.page_size();
  if (wanted < 0 || wanted > kMaxPageSize) {
    done(MakeCallError(ErrorCode::kInvalidArgument, "bad page size",
                       {{"field", "page_size"},
                        {"expected", absl::StrCat("0 to ", kMaxPageSize)},
                        {"received", std::to_string(wanted)}}));
    return nullptr;
  }
  const int page_size = wanted == 0 ? kDefaultPageSize : wanted;
  v1::ListMethodsResponse page;
  const auto registry = calls_.methods();
  const auto& methods = registry->methods();
  // The token is the last name of the page before.
  auto it = request.page_token().empty() ? methods.lower_bound(request.prefix())
                                         : methods.upper_bound(request.page_token());
  size_t bytes = 0;
  std::string last;
  for (; it != methods.end(); ++it) {
    if (!absl::StartsWith(it->first, request.prefix())) break;
    // As it is told here, and by its own name where another method has taken that.
    if (!calls_.MayCall(call.identity, it->first) ||
        !calls_.MayCall(call.identity, it->second->permission_name())) {
      continue;
    }
    if (page.methods_size() == page_size || bytes > kMaxPageBytes) {
      page.set_next_page_token(last);
      break;
    }
    bytes += AddMethod(it->first, *it->second, request.names_only(), &page);
    last = it->first;
  }
  done(std::move(page));
  return nullptr;
}

Builtin::Started Builtin::TestConnection(const CallRequest& call,
                                         const v1::TestConnectionRequest& request,
                                         Done<v1::TestConnectionResponse> done) const {
  const auto found = databases_.find(request.connection_id());
  if (found == databases_.end()) {
    done(MakeCallError(ErrorCode::kNotFound, "no such connection",
                       {{"field", "params.connection_id"},
                        {"expected", "the id of a configured database"},
                        {"received", request.connection_id()}}));
    return nullptr;
  }
  const Database& database = found->second;
  const auto too_many = [] {
    return MakeCallError(ErrorCode::kUnavailable,
                         "too many connections to the database are being tested",
                         {{"reason", "OVERLOADED"}});
  };
  Started test = tester_.Test(
      database, call.timeout_ms - ReserveMs(call.timeout_ms),
      [&database, too_many, done](absl::StatusOr<double> latency_ms) {
        if (absl::IsCancelled(latency_ms.status())) {
          return done(MakeCallError(ErrorCode::kCancelled, "the call was cancelled"));
        }
        if (absl::IsResourceExhausted(latency_ms.status())) return done(too_many());
        if (!latency_ms.ok()) {
          return done(ConnectionFailed(database, std::string(latency_ms.status().message())));
        }
        v1::TestConnectionResponse response;
        response.set_success(true);
        response.set_latency_ms(std::round(*latency_ms * 1000) / 1000);
        response.mutable_connection_info()->set_host(database.host);
        response.mutable_connection_info()->set_port(database.port);
        response.mutable_connection_info()->set_database(database.database);
        done(std::move(response));
      });
  if (test == nullptr) done(too_many());
  return test;
}

std::vector<MethodPtr> BuiltinMethods(const Builtin& builtin,
                                      std::shared_ptr<const protojson::Schema> schema,
                                      RpcMetrics& metrics) {
  return {
      std::make_shared<BuiltinMethod<v1::PingRequest, v1::PingResponse>>(
          builtin, "system.ping", "covet.rpc.v1.SystemService/Ping", &Builtin::Ping, schema,
          metrics),
      std::make_shared<BuiltinMethod<v1::ListMethodsRequest, v1::ListMethodsResponse>>(
          builtin, "system.methods", "covet.rpc.v1.SystemService/Methods", &Builtin::Methods,
          schema, metrics),
      std::make_shared<BuiltinMethod<v1::TestConnectionRequest, v1::TestConnectionResponse>>(
          builtin, "database.test_connection", "covet.rpc.v1.DatabaseService/TestConnection",
          &Builtin::TestConnection, schema, metrics),
  };
}

}  // namespace covet::rpc
